{{/* Which variables a part's references need, and where each comes from. Secrets are never in what is rendered. */}}

{{/* (dict "of" anything) -> JSON list of the names in its ${env:NAME} references */}}
{{- define "afflux.references" -}}
{{- $names := list -}}
{{- range $found := regexFindAll "\\$\\{env:[^}]+\\}" (toYaml .of) -1 -}}
{{- $names = append $names ($found | trimPrefix "${env:" | trimSuffix "}") -}}
{{- end -}}
{{- $names | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* (dict "root" $ "name" NAME "user" "sink-warehouse") -> `value:` or `valueFrom:` of a variable; empty when nothing has it */}}
{{- define "afflux.variable" -}}
{{- $root := .root -}}
{{- if and $root.Values.kafkaUsers.enabled (eq .name "KAFKA_USER") -}}
value: {{ include "afflux.kafkaUser" (list $root .user) }}
{{- else if and $root.Values.kafkaUsers.enabled (eq .name "KAFKA_PASSWORD") -}}
valueFrom: {secretKeyRef: {name: {{ include "afflux.kafkaUser" (list $root .user) }}, key: password}}
{{- else if hasKey $root.Values.secrets.env .name -}}
{{- with get $root.Values.secrets.env .name -}}
valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}
{{- end -}}
{{- else if and $root.Values.externalSecrets.enabled (hasKey $root.Values.externalSecrets.data .name) -}}
valueFrom: {secretKeyRef: {name: {{ include "afflux.externalSecret" $root }}, key: {{ .name }}}}
{{- else if $root.Values.secrets.existing -}}
valueFrom: {secretKeyRef: {name: {{ $root.Values.secrets.existing }}, key: {{ .name }}}}
{{- end -}}
{{- end -}}

{{/*
(dict "root" $ "of" topology "user" "control" "own" env "only" false) -> a container's env: what it refers to, all of
`secrets.env` but with `only`, and its own
*/}}
{{- define "afflux.env" -}}
{{- $has := list -}}
{{- range .own }}{{ $has = append $has .name }}{{ end -}}
{{- $names := include "afflux.references" (dict "of" .of) | fromJsonArray -}}
{{- if not .only }}{{ $names = concat $names (keys .root.Values.secrets.env | sortAlpha) | uniq }}{{ end -}}
{{- range $name := $names -}}
{{- if not (has $name $has) }}
- name: {{ $name }}
  {{- include "afflux.variable" (dict "root" $.root "name" $name "user" $.user) | nindent 2 }}
{{- end }}
{{- end }}
{{- with .own }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A part's volumes and mounts: Secrets as files, and the brokers' authority. (list $ "volumes" | "mounts") */}}
{{- define "afflux.secretFiles" -}}
{{- $root := first . -}}
{{- $volumes := list -}}
{{- $mounts := list -}}
{{- range $index, $file := $root.Values.secrets.files -}}
{{- $name := printf "secret-%d" $index -}}
{{- $volumes = append $volumes (dict "name" $name "secret" (dict "secretName" $file.secret)) -}}
{{- $mounts = append $mounts (dict "name" $name "mountPath" $file.path "readOnly" true) -}}
{{- end -}}
{{- if $root.Values.kafkaUsers.enabled -}}
{{- $secret := dict "secretName" (printf "%s-cluster-ca-cert" (include "afflux.kafkaCluster" $root)) "items" (list (dict "key" "ca.crt" "path" "ca.crt")) -}}
{{- $volumes = append $volumes (dict "name" "kafka-ca" "secret" $secret) -}}
{{- $mounts = append $mounts (dict "name" "kafka-ca" "mountPath" (include "afflux.kafkaCaFolder" $root) "readOnly" true) -}}
{{- end -}}
{{- with ternary $volumes $mounts (eq (last .) "volumes") }}
{{ toYaml . }}
{{- end -}}
{{- end -}}

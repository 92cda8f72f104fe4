{{/*
The pod of a daemon or a hook.
(dict "root" $ "part" values "component" "sink-warehouse" "command" (list ...) "of" topology "user" "sink-warehouse"
 "config" name of the ConfigMap)
*/}}

{{- define "afflux.podMetadata" -}}
labels:
  {{- include "afflux.partSelector" . | nindent 2 }}
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .part.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  {{- if .root.Values.restartOnTopologyChange }}
  checksum/topology: {{ toYaml .of | sha256sum }}
  {{- end }}
  kubectl.kubernetes.io/default-container: afflux
  {{- with .part.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "afflux.podSpec" -}}
serviceAccountName: {{ default (include "afflux.serviceAccount" .root) .serviceAccount }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext: {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .part.terminationGracePeriodSeconds }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with include "afflux.affinity" . }}
affinity: {{- . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "topologySpreadConstraints" }}
{{- with get $.part $key }}
{{ $key }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
containers:
  - name: afflux
    image: {{ include "afflux.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    command: {{- toYaml .command | nindent 6 }}
    env:
      - {name: AFFLUX_TOPOLOGY, value: /etc/afflux/topology.yaml}
      - {name: HOME, value: /tmp}
      {{- with include "afflux.env" (dict "root" .root "of" .of "user" .user "own" .part.env) }}
      {{- trim . | nindent 6 }}
      {{- end }}
    securityContext: {{- toYaml .root.Values.securityContext | nindent 6 }}
    {{- if .serves }}
    ports:
      - {name: http, containerPort: 9464, protocol: TCP}
    # Not /startedz: a daemon that waits for topics or for its target has not begun, and a restart would not help it.
    startupProbe:
      httpGet: {path: /livez, port: http}
      periodSeconds: 2
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /livez, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: {path: /readyz, port: http}
      periodSeconds: 5
      timeoutSeconds: 5
    {{- end }}
    resources: {{- toYaml .part.resources | nindent 6 }}
    volumeMounts:
      - {name: topology, mountPath: /etc/afflux, readOnly: true}
      - {name: tmp, mountPath: /tmp}
      {{- with include "afflux.secretFiles" (list .root "mounts") }}
      {{- trim . | nindent 6 }}
      {{- end }}
      {{- with .part.volumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: topology
    configMap: {name: {{ .config }}}
  - name: tmp
    emptyDir: {}
  {{- with include "afflux.secretFiles" (list .root "volumes") }}
  {{- trim . | nindent 2 }}
  {{- end }}
  {{- with .part.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "afflux.affinity" -}}
{{- if .part.affinity -}}
{{ toYaml .part.affinity }}
{{- else -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "afflux.partSelector" . | fromYaml)) -}}
{{- if eq .part.antiAffinity "hard" -}}
podAntiAffinity:
  requiredDuringSchedulingIgnoredDuringExecution: {{- list $term | toYaml | nindent 4 }}
{{- else if eq .part.antiAffinity "soft" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution: {{- list (dict "weight" 100 "podAffinityTerm" $term) | toYaml | nindent 4 }}
{{- end -}}
{{- end -}}
{{- end -}}

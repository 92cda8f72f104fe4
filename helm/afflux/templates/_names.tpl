{{/* What things are called. A name is made of release and chart and what it is for, never of a version. */}}

{{- define "afflux.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $made := ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- default $made .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* (list $ "part"...) -> an object's name, within the 63 characters of a label. */}}
{{- define "afflux.name" -}}
{{- $name := printf "%s-%s" (include "afflux.fullname" (first .)) (rest . | join "-") | replace "_" "-" -}}
{{- if gt (len $name) 63 -}}
{{- printf "%s-%s" ($name | trunc 54 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{- define "afflux.serviceAccount" -}}
{{- default (ternary (include "afflux.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "afflux.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "afflux.kafkaCluster" -}}
{{- ternary (include "afflux.name" (list . "kafka")) .Values.strimzi.cluster .Values.kafkaCluster.enabled -}}
{{- end -}}

{{- define "afflux.connectCluster" -}}
{{- ternary (include "afflux.name" (list . "connect")) .Values.strimzi.connectCluster .Values.kafkaConnect.enabled -}}
{{- end -}}

{{- define "afflux.connectGroup" -}}
{{- default (include "afflux.name" (list . "connect")) .Values.kafkaConnect.groupId -}}
{{- end -}}

{{/* The Secret that External Secrets makes. */}}
{{- define "afflux.externalSecret" -}}
{{- include "afflux.name" (list . "secrets") -}}
{{- end -}}

{{/* Kafka's user of a part: `sink-<name>`, `control`, `connect`, `registry`. */}}
{{- define "afflux.kafkaUser" -}}
{{- include "afflux.name" (list (first .) "kafka-user" (last .)) -}}
{{- end -}}

{{- define "afflux.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: afflux
{{ include "afflux.selector" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "afflux.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* (dict "root" $ "component" "sink-warehouse" ...) -> the labels by which a part's pods are known. */}}
{{- define "afflux.partSelector" -}}
{{ include "afflux.selector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

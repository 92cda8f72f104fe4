{{/*
A Job that Helm runs and waits for. It comes before everything else of the release, so it brings its own ConfigMap.
(dict "root" $ "name" "preflight" "events" "pre-install,pre-upgrade" "weight" 0 "command" (list ...)
 "part" values "user" "control" "of" topology); the last three are the supervisor's where they are not given
*/}}
{{- define "afflux.hook" -}}
{{- $name := include "afflux.name" (list .root .name) }}
{{- $hooks := .root.Values.hooks }}
{{- /* Before the first install the release's own account is not there yet. */}}
{{- $account := ternary "default" "" (and .root.Release.IsInstall .root.Values.serviceAccount.create) }}
{{- $of := default (include "afflux.topology" .root | fromYaml) .of }}
{{- $part := omit (default .root.Values.supervisor .part) "affinity" "topologySpreadConstraints" "terminationGracePeriodSeconds" }}
{{- $part = merge (dict "resources" $hooks.resources "antiAffinity" "none") $part }}
{{- $pod := dict "root" .root "part" $part "component" .name "user" (default "control" .user) "of" $of "config" $name "command" .command "serviceAccount" $account }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  labels: {{- include "afflux.labels" .root | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .events }}
    helm.sh/hook-weight: {{ sub .weight 1 | quote }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
data:
  topology.yaml: |
    {{- toYaml $of | nindent 4 }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name }}
  labels:
    {{- include "afflux.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  annotations:
    helm.sh/hook: {{ .events }}
    helm.sh/hook-weight: {{ .weight | quote }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: {{ $hooks.backoffLimit }}
  activeDeadlineSeconds: {{ $hooks.activeDeadlineSeconds }}
  template:
    metadata: {{- include "afflux.podMetadata" $pod | nindent 6 }}
    spec:
      restartPolicy: Never
      {{- include "afflux.podSpec" $pod | nindent 6 }}
{{- end -}}

{{/* Whether the release itself makes something that its pods need: then nothing can be asked before an install. */}}
{{- define "afflux.selfContained" -}}
{{- if or .Values.kafkaCluster.enabled .Values.kafkaConnect.enabled .Values.registryServer.enabled .Values.kafkaUsers.enabled .Values.externalSecrets.enabled }}true{{ end -}}
{{- end -}}

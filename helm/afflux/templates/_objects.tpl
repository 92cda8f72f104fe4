{{/* Objects that every daemon has. (dict "root" $ "name" name "component" component "part" values) */}}

{{- define "afflux.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  labels:
    {{- include "afflux.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  type: ClusterIP
  selector: {{- include "afflux.partSelector" . | nindent 4 }}
  # Metrics and the page are wanted of pods that wait for a server, too.
  publishNotReadyAddresses: true
  ports:
    - {name: http, port: 9464, targetPort: http, protocol: TCP}
{{- end -}}

{{- define "afflux.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels:
    {{- include "afflux.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  maxUnavailable: {{ .part.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "afflux.partSelector" . | nindent 6 }}
{{- end -}}

{{/* A file has one writer, so the old worker goes before the new one comes. */}}
{{- define "afflux.strategy" -}}
{{- if eq .type "duckdb" -}}
type: Recreate
{{- else -}}
type: RollingUpdate
rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- end -}}
{{- end -}}

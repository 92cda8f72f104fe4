{{/* The workers of Kafka Connect: what they carry, and which secrets they may resolve. */}}

{{/* `build.plugins`, with afflux's own in Debezium's folder: a custom converter is looked for there. */}}
{{- define "afflux.connectPlugins" -}}
{{- $plugins := list -}}
{{- range $plugin := .Values.kafkaConnect.build.plugins -}}
{{- if and $.Values.kafkaConnect.build.affluxPlugin.url (hasPrefix "debezium" $plugin.name) -}}
{{- $jar := merge (dict "type" "jar" "fileName" "afflux-connect-plugin.jar") $.Values.kafkaConnect.build.affluxPlugin -}}
{{- $plugin = dict "name" $plugin.name "artifacts" (append $plugin.artifacts $jar) -}}
{{- end -}}
{{- $plugins = append $plugins $plugin -}}
{{- end -}}
{{- $plugins | toYaml -}}
{{- end -}}

{{/* The variables that connectors' configs refer to: the shards' login, and the signals' consumer's. */}}
{{- define "afflux.connectEnv" -}}
{{- $of := dict "source" (omit .Values.source "shards") "shards" .Values.shards "kafka" (include "afflux.kafkaProperties" . | fromYaml) "bootstrap" (include "afflux.bootstrap" .) "registry" (default "" .Values.connect.registry_url) -}}
{{- include "afflux.env" (dict "root" . "of" $of "user" "connect" "own" .Values.kafkaConnect.env "only" true) -}}
{{- end -}}

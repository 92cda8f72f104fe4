{{/* The topology as afflux reads it, from the values that are its own and from what this chart makes itself. */}}

{{- define "afflux.topologyName" -}}
{{- default .Release.Name .Values.name -}}
{{- end -}}

{{- define "afflux.topology" -}}
{{- $kafka := dict "bootstrap_servers" (include "afflux.bootstrap" .) "properties" (include "afflux.kafkaProperties" . | fromYaml) -}}
{{- with .Values.kafka.topics }}{{ $_ := set $kafka "topics" . }}{{ end -}}
{{- $registry := dict "url" (include "afflux.registryUrl" .) -}}
{{- with .Values.registry.properties }}{{ $_ := set $registry "properties" . }}{{ end -}}
{{- $connect := merge (dict "url" (include "afflux.connectUrl" .)) (omit .Values.connect "url") -}}
{{- if eq .Values.connectors.appliedBy "strimzi" }}{{ $_ := set $connect "connectors" "given" }}{{ end -}}
{{- $source := merge (dict "shards" .Values.shards) (omit .Values.source "config" "names") -}}
{{- range $key := list "config" "names" -}}
{{- with get $.Values.source $key }}{{ $_ := set $source $key . }}{{ end -}}
{{- end -}}
{{- $whole := dict
  "name" (include "afflux.topologyName" .)
  "kafka" $kafka
  "registry" $registry
  "connect" $connect
  "source" $source
  "tables" .Values.tables
  "sinks" .Values.sinks
-}}
{{- with .Values.transforms }}{{ $_ := set $whole "transforms" . }}{{ end -}}
{{- mergeOverwrite $whole (deepCopy .Values.topology) | toYaml -}}
{{- end -}}

{{- define "afflux.bootstrap" -}}
{{- if .Values.kafkaCluster.enabled -}}
{{- printf "%s-kafka-bootstrap:%s" (include "afflux.kafkaCluster" .) (ternary "9093" "9092" .Values.kafkaUsers.enabled) -}}
{{- else -}}
{{- .Values.kafka.bootstrap_servers -}}
{{- end -}}
{{- end -}}

{{- define "afflux.registryUrl" -}}
{{- if .Values.registryServer.enabled -}}
{{- printf "http://%s:8080/apis/ccompat/v7" (include "afflux.name" (list . "registry")) -}}
{{- else -}}
{{- .Values.registry.url -}}
{{- end -}}
{{- end -}}

{{- define "afflux.connectUrl" -}}
{{- if .Values.kafkaConnect.enabled -}}
{{- printf "http://%s-connect-api:8083" (include "afflux.connectCluster" .) -}}
{{- else -}}
{{- .Values.connect.url -}}
{{- end -}}
{{- end -}}

{{/* Where the certificate of the brokers' own authority is mounted. Strimzi mounts volumes below /mnt only. */}}
{{- define "afflux.kafkaCaFolder" -}}/mnt/afflux/kafka-ca{{- end -}}

{{- define "afflux.kafkaProperties" -}}
{{- $own := dict -}}
{{- if .Values.kafkaUsers.enabled -}}
{{- $own = dict
  "security.protocol" "SASL_SSL"
  "sasl.mechanism" "SCRAM-SHA-512"
  "sasl.username" "${env:KAFKA_USER}"
  "sasl.password" "${env:KAFKA_PASSWORD}"
  "ssl.ca.location" (printf "%s/ca.crt" (include "afflux.kafkaCaFolder" .))
-}}
{{- end -}}
{{- merge (deepCopy .Values.kafka.properties) $own | toYaml -}}
{{- end -}}

{{/* Names of a shard's things: (dict "root" $ "shard" shard "kind" "slot") */}}
{{- define "afflux.shardName" -}}
{{- $defaults := dict "connector" "{name}-{shard}" "slot" "afflux_{name}_{shard}" "publication" "afflux_{name}_{shard}" "topic_prefix" "{shard}" -}}
{{- $template := get (merge (dict) (default dict .root.Values.source.names) $defaults) .kind -}}
{{- $name := $template | replace "{name}" (include "afflux.topologyName" .root) | replace "{shard}" .shard.name -}}
{{- if has .kind (list "slot" "publication") }}{{ $name = replace "-" "_" $name }}{{ end -}}
{{- $name -}}
{{- end -}}

{{/* A table of `tables` that is given by its name, not by an expression: its topic's part. */}}
{{- define "afflux.isExpression" -}}
{{- if regexMatch "[\\\\^$*+?()\\[\\]{}|]" .source }}true{{ end -}}
{{- end -}}

{{/* Names of the tables that a shard has: (dict "root" $ "index" 0) -> JSON list, sorted */}}
{{- define "afflux.shardTables" -}}
{{- $names := list -}}
{{- $index := .index -}}
{{- range .root.Values.tables -}}
{{- if or (ne (default "all" .shards) "one") (eq $index 0) }}{{ $names = append $names .source }}{{ end -}}
{{- end -}}
{{- $names | uniq | sortAlpha | toJson -}}
{{- end -}}

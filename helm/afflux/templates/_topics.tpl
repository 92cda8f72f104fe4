{{/* The topics that a topology needs, as afflux itself would make them. */}}

{{/* -> JSON list of {name, partitions, config} */}}
{{- define "afflux.topics" -}}
{{- $topics := list -}}
{{- $config := include "afflux.topicSettings" . | fromJson -}}
{{- $partitions := int (default 1 (default dict .Values.kafka.topics).partitions) -}}
{{- $prefix := printf "afflux.%s" (include "afflux.topologyName" .) -}}
{{- range $name, $own := (.Files.Get "files/connector.json" | fromJson).shared_topics -}}
{{- $topics = append $topics (dict "name" (printf "%s.%s" $prefix $name) "partitions" 1 "config" (merge $own $config)) -}}
{{- end -}}
{{- range $index, $shard := .Values.shards -}}
{{- $own := include "afflux.shardName" (dict "root" $ "shard" $shard "kind" "topic_prefix") -}}
{{- range $table := include "afflux.shardTables" (dict "root" $ "index" $index) | fromJsonArray -}}
{{- $topics = append $topics (dict "name" (include "afflux.topicName" (printf "%s.%s" $own $table)) "partitions" $partitions "config" $config) -}}
{{- end -}}
{{- $topics = append $topics (dict "name" (printf "__debezium-heartbeat.%s" $own) "partitions" 1 "config" $config) -}}
{{- $topics = append $topics (dict "name" (printf "%s.message" $own) "partitions" 1 "config" $config) -}}
{{- end -}}
{{- $topics | toJson -}}
{{- end -}}

{{/* Debezium puts `_` for each UTF-16 unit that Kafka does not allow. */}}
{{- define "afflux.topicName" -}}
{{- regexReplaceAll "[^A-Za-z0-9._-]" (regexReplaceAll "[\\x{10000}-\\x{10FFFF}]" . "__") "_" -}}
{{- end -}}

{{/* A name that Kubernetes allows for a topic's resource. */}}
{{- define "afflux.topicResource" -}}
{{- $plain := regexReplaceAll "[^a-z0-9.-]" (lower .) "-" | trimAll "-." -}}
{{- if eq $plain . -}}
{{- $plain -}}
{{- else -}}
{{- printf "%s-%s" ($plain | trunc 200) (sha256sum . | trunc 8) -}}
{{- end -}}
{{- end -}}

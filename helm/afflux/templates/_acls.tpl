{{/* What each part's Kafka user may do: each define gives a list of KafkaUser's `acls`. */}}

{{/* (list "topic" "prefix" "shard0." "Read" "Describe") */}}
{{- define "afflux.acl" -}}
- resource: {type: {{ index . 0 }}, patternType: {{ index . 1 }}, name: {{ index . 2 | quote }}}
  operations: [{{ slice . 3 | join ", " }}]
{{- end -}}

{{/* A sink reads its topics in its group, hears what snapshots tell, and may write dead letters. (list $ name) */}}
{{- define "afflux.acls.sink" -}}
{{- $root := first . -}}
{{- $name := last . -}}
{{- range $shard := $root.Values.shards }}
{{- $own := include "afflux.shardName" (dict "root" $root "shard" $shard "kind" "topic_prefix") }}
{{ include "afflux.acl" (list "topic" "prefix" (printf "%s." $own) "Read" "Describe") }}
{{- end }}
{{ include "afflux.acl" (list "topic" "literal" (printf "afflux.%s.notifications" (include "afflux.topologyName" $root)) "Read" "Describe") }}
{{- range $sink := (include "afflux.topology" $root | fromYaml).sinks }}
{{- if and (eq $sink.name $name) (dig "dead_letters" "topic" "" $sink) }}
{{ include "afflux.acl" (list "topic" "literal" $sink.dead_letters.topic "Create" "Describe" "DescribeConfigs" "Write") }}
{{- end }}
{{- end }}
{{ include "afflux.acl" (list "group" "literal" (printf "afflux.%s.%s" (include "afflux.topologyName" $root) $name) "Read" "Describe") }}
{{- end -}}

{{/* The supervisor and the hooks make topics, send signals, and look at how far the sinks are. */}}
{{- define "afflux.acls.control" -}}
{{- $own := printf "afflux.%s." (include "afflux.topologyName" .) }}
{{- range $shard := .Values.shards }}
{{- $prefix := include "afflux.shardName" (dict "root" $ "shard" $shard "kind" "topic_prefix") }}
{{ include "afflux.acl" (list "topic" "prefix" (printf "%s." $prefix) "Create" "Describe" "DescribeConfigs" "AlterConfigs" "Read") }}
{{ include "afflux.acl" (list "topic" "literal" (printf "__debezium-heartbeat.%s" $prefix) "Create" "Describe" "DescribeConfigs" "AlterConfigs" "Read") }}
{{- end }}
{{ include "afflux.acl" (list "topic" "prefix" $own "Create" "Describe" "DescribeConfigs" "AlterConfigs" "Read" "Write") }}
{{ include "afflux.acl" (list "group" "prefix" $own "Read" "Describe") }}
{{- /* Groups that nobody joins: a client that reads a topic from its beginning to its end wants a name for one. */}}
{{ include "afflux.acl" (list "group" "prefix" "afflux-" "Describe") }}
{{ include "afflux.acl" (list "group" "literal" "afflux.samples" "Describe") }}
{{- end -}}

{{/* The workers of Connect: their own group and topics, the shards' topics, exactly-once transactions, signals. */}}
{{- define "afflux.acls.connect" -}}
{{- $group := include "afflux.connectGroup" . }}
{{- $own := printf "afflux.%s." (include "afflux.topologyName" .) }}
{{- range $topic := list "configs" "offsets" "status" }}
{{ include "afflux.acl" (list "topic" "literal" (printf "%s-%s" $group $topic) "Create" "Describe" "DescribeConfigs" "Read" "Write") }}
{{- end }}
{{- range $shard := .Values.shards }}
{{- $prefix := include "afflux.shardName" (dict "root" $ "shard" $shard "kind" "topic_prefix") }}
{{ include "afflux.acl" (list "topic" "prefix" (printf "%s." $prefix) "Create" "Describe" "DescribeConfigs" "Write") }}
{{ include "afflux.acl" (list "topic" "literal" (printf "__debezium-heartbeat.%s" $prefix) "Create" "Describe" "DescribeConfigs" "Write") }}
{{ include "afflux.acl" (list "group" "literal" (include "afflux.shardName" (dict "root" $ "shard" $shard "kind" "connector")) "Read" "Describe") }}
{{- end }}
{{ include "afflux.acl" (list "topic" "literal" (printf "%ssignals" $own) "Describe" "Read") }}
{{ include "afflux.acl" (list "topic" "literal" (printf "%snotifications" $own) "Create" "Describe" "DescribeConfigs" "Write") }}
{{ include "afflux.acl" (list "group" "literal" $group "Read" "Describe") }}
{{ include "afflux.acl" (list "transactionalId" "literal" (printf "connect-cluster-%s" $group) "Write" "Describe") }}
{{ include "afflux.acl" (list "transactionalId" "prefix" (printf "%s-" $group) "Write" "Describe") }}
{{- end -}}

{{/* The registry keeps its journal and snapshots in topics of its own. */}}
{{- define "afflux.acls.registry" -}}
{{- range $topic := list "journal" "snapshots" "events" }}
{{ include "afflux.acl" (list "topic" "literal" (include "afflux.name" (list $ "registry" $topic)) "Create" "Describe" "DescribeConfigs" "AlterConfigs" "Read" "Write") }}
{{- end }}
{{ include "afflux.acl" (list "group" "prefix" "apicurio-" "Read" "Describe") }}
{{- end -}}

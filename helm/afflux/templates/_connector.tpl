{{/*
A shard's connector, exactly as `connectors apply` would set it: files/connector.json is what afflux's control plane
itself is made of, and a test compares both for every scenario. (dict "root" $ "shard" shard "index" 0) -> JSON
*/}}

{{- define "afflux.connectorConfig" -}}
{{- $root := .root -}}
{{- $shard := .shard -}}
{{- $facts := $root.Files.Get "files/connector.json" | fromJson -}}
{{- $source := default dict $root.Values.source.config -}}
{{- $room := add (include "afflux.maxMessageBytes" $root | int64) (int64 $facts.room) -}}
{{- $prefix := printf "afflux.%s" (include "afflux.topologyName" $root) -}}
{{- $fields := dict
  "host" $shard.host
  "port" (toString (int (default 5432 $shard.port)))
  "database" (default $root.Values.source.database $shard.database)
  "user" $root.Values.source.user
  "password" $root.Values.source.password
  "topology" (include "afflux.topologyName" $root)
  "shard" $shard.name
  "tables" (include "afflux.includeList" .)
  "message_prefix" $prefix
  "message_prefix_regex" (include "afflux.regexQuote" $prefix)
  "signal_topic" (printf "%s.signals" $prefix)
  "notification_topic" (printf "%s.notifications" $prefix)
  "bootstrap_servers" (include "afflux.bootstrap" $root)
  "registry_url" (include "afflux.converterUrl" $root)
  "max_request_size" (printf "%d" $room)
  "buffer_memory" (printf "%d" (max $room (int64 $facts.least_buffer)))
  "exactly_once" (include "afflux.exactlyOnce" $root)
-}}
{{- range $kind := list "connector" "slot" "publication" "topic_prefix" -}}
{{- $_ := set $fields $kind (include "afflux.shardName" (dict "root" $root "shard" $shard "kind" $kind)) -}}
{{- end -}}
{{- $config := dict -}}
{{- range $key, $value := get $facts.templates (default "apicurio" $root.Values.connect.converter) -}}
{{- range $field := regexFindAll "\\{[a-z_]+\\}" $value -1 -}}
{{- $value = replace $field (get $fields (trimAll "{}" $field)) $value -}}
{{- end -}}
{{- $_ := set $config $key $value -}}
{{- end -}}
{{- $consumer := include "afflux.javaSecurity" (dict "root" $root "facts" $facts) | fromJson -}}
{{- range $key, $_ := $source -}}
{{- if hasPrefix "signal.consumer." $key }}{{ $consumer = dict }}{{ end -}}
{{- end -}}
{{- range $key, $value := $consumer }}{{ $_ := set $config (printf "signal.consumer.%s" $key) $value }}{{ end -}}
{{- $topic := include "afflux.topicSettings" $root | fromJson -}}
{{- $topics := default dict $root.Values.kafka.topics -}}
{{- $_ := set $topic "partitions" (toString (int (default 1 $topics.partitions))) -}}
{{- $_ := set $topic "replication.factor" (toString (int (default -1 $topics.replication))) -}}
{{- range $key, $value := $topic }}{{ $_ := set $config (printf "topic.creation.default.%s" $key) $value }}{{ end -}}
{{- range $key, $value := $source }}{{ $_ := set $config $key (include "afflux.propertyText" $value) }}{{ end -}}
{{- if $root.Values.connectors.plugin -}}
{{- $theirs := get $config "transforms" -}}
{{- $config = merge (dict) $facts.plugin $config -}}
{{- if $theirs }}{{ $_ := set $config "transforms" (printf "%s,%s" $theirs $facts.plugin.transforms) }}{{ end -}}
{{- end -}}
{{- $masks := include "afflux.masks" . | fromJson -}}
{{- with $masks }}{{ $config = merge (dict) . $facts.masking $config }}{{ end -}}
{{- if has "hash" (values $masks) }}{{ $_ := set $config $facts.masks.secret $root.Values.topology.masking.key }}{{ end -}}
{{- $config | toJson -}}
{{- end -}}

{{/* The columns that it masks, as afflux's plugin takes them -> JSON */}}
{{- define "afflux.masks" -}}
{{- $facts := .root.Files.Get "files/connector.json" | fromJson -}}
{{- $index := .index -}}
{{- $masks := dict -}}
{{- $seen := dict -}}
{{- range $table := .root.Values.tables -}}
{{- $of := and (or (ne (default "all" $table.shards) "one") (eq $index 0)) (not (hasKey $seen $table.source)) -}}
{{- $_ := set $seen $table.source true -}}
{{- range $column, $rule := $table.columns -}}
{{- if and $of (eq (default "sink" $rule.where) "source") -}}
{{- $written := eq $rule.mask "partial" | ternary (printf "partial:%d" (int (default 4 $rule.keep))) $rule.mask -}}
{{- $_ := set $masks (printf "%s%s.%s" $facts.masks.mask $table.source $column) $written -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $masks | toJson -}}
{{- end -}}

{{/* What it reads: the tables by name, as Debezium's regular expressions. */}}
{{- define "afflux.includeList" -}}
{{- $escaped := list -}}
{{- range $name := include "afflux.shardTables" . | fromJsonArray -}}
{{- $escaped = append $escaped (include "afflux.regexQuote" $name | replace "," "\\,") -}}
{{- end -}}
{{- $escaped | sortAlpha | join "," -}}
{{- end -}}

{{/* As Python's re.escape does it, by which afflux writes and compares such lists. */}}
{{- define "afflux.regexQuote" -}}
{{- regexReplaceAll "[()\\[\\]{}?*+|^$\\\\.&~#\\s-]" . "\\${0}" -}}
{{- end -}}

{{- define "afflux.propertyText" -}}
{{- ternary . (toJson .) (kindIs "string" .) -}}
{{- end -}}

{{- define "afflux.exactlyOnce" -}}
{{- $upsert := true -}}
{{- range .Values.tables }}{{ if ne (default "upsert" .mode) "upsert" }}{{ $upsert = false }}{{ end }}{{ end -}}
{{- ternary "requested" "required" $upsert -}}
{{- end -}}

{{- define "afflux.maxMessageBytes" -}}
{{- int64 (default 67108864 (default dict .Values.kafka.topics).max_message_bytes) -}}
{{- end -}}

{{/* A new topic's settings -> JSON */}}
{{- define "afflux.topicSettings" -}}
{{- $topics := default dict .Values.kafka.topics -}}
{{- $settings := dict "cleanup.policy" "delete" "max.message.bytes" (include "afflux.maxMessageBytes" .) -}}
{{- with $topics.min_insync }}{{ $_ := set $settings "min.insync.replicas" (toString (int .)) }}{{ end -}}
{{- with $topics.retention }}{{ $_ := set $settings "retention.ms" (include "afflux.milliseconds" .) }}{{ end -}}
{{- $settings | toJson -}}
{{- end -}}

{{- define "afflux.milliseconds" -}}
{{- if eq . "forever" -}}
-1
{{- else -}}
{{- $unit := dict "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get $unit (regexFind "[smhd]$" .)) -}}
{{- end -}}
{{- end -}}

{{- define "afflux.converterUrl" -}}
{{- $url := include "afflux.registryUrl" . -}}
{{- if .Values.connect.registry_url -}}
{{- .Values.connect.registry_url -}}
{{- else if eq (default "apicurio" .Values.connect.converter) "confluent" -}}
{{- regexReplaceAll "^([a-z]+://)(?:[^/]*@)?([^/]*)(.*?)$" $url "${1}${2}${3}" -}}
{{- else -}}
{{- regexReplaceAll "^([a-z]+://)(?:[^/]*@)?([^/]*)(.*?)/apis/ccompat.*$" $url "${1}${2}${3}/apis/registry/v2" -}}
{{- end -}}
{{- end -}}

{{/* librdkafka's security properties in the words of Kafka's Java clients -> JSON */}}
{{- define "afflux.javaSecurity" -}}
{{- $java := dict -}}
{{- $properties := include "afflux.kafkaProperties" .root | fromYaml -}}
{{- range $key, $value := $properties -}}
{{- with get $.facts.security $key -}}
{{- $text := include "afflux.propertyText" $value -}}
{{- if eq $key "security.protocol" }}{{ $text = upper $text }}{{ end -}}
{{- if and (eq $key "ssl.endpoint.identification.algorithm") (eq $text "none") }}{{ $text = "" }}{{ end -}}
{{- $_ := set $java . $text -}}
{{- end -}}
{{- end -}}
{{- if or (hasKey $properties "ssl.ca.pem") (hasKey $properties "ssl.ca.location") }}{{ $_ := set $java "ssl.truststore.type" "PEM" }}{{ end -}}
{{- if or (hasKey $properties "ssl.certificate.pem") (hasKey $properties "ssl.key.pem") -}}
{{- $_ := set $java "ssl.keystore.type" "PEM" -}}
{{- else if hasKey $properties "ssl.keystore.location" -}}
{{- $_ := set $java "ssl.keystore.type" "PKCS12" -}}
{{- end -}}
{{- with get $properties "sasl.username" -}}
{{- $module := get $.facts.logins (upper (get $java "sasl.mechanism")) -}}
{{- $_ := set $java "sasl.jaas.config" (printf "%s required username=\"%s\" password=\"%s\";" $module . (default "" (get $properties "sasl.password"))) -}}
{{- end -}}
{{- $java | toJson -}}
{{- end -}}

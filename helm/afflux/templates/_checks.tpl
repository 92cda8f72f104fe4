{{/*
What can't be, said at once and in words: each define prints lines, and `afflux.check` fails with all of them.
What a single value may be is in values.schema.json; the topology itself is checked by afflux, which reads it first.
*/}}

{{- define "afflux.check" -}}
{{- $lines := list -}}
{{- range $check := list "kafka" "servers" "connectors" "secrets" "sinks" "names" "network" -}}
{{- range $line := include (printf "afflux.check.%s" $check) $ | splitList "\n" -}}
{{- with trim $line }}{{ $lines = append $lines (printf "- %s" .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- with $lines }}{{ fail (printf "these values can't be:\n%s" (join "\n" .)) }}{{ end -}}
{{- end -}}

{{- define "afflux.check.kafka" -}}
{{- if and .Values.kafkaCluster.enabled .Values.kafka.bootstrap_servers }}
kafka.bootstrap_servers names brokers, and kafkaCluster.enabled makes some: keep one of them
{{- else if not (or .Values.kafkaCluster.enabled .Values.kafka.bootstrap_servers) }}
there are no brokers: set kafka.bootstrap_servers, or kafkaCluster.enabled
{{- end }}
{{- if and .Values.kafkaCluster.enabled .Values.strimzi.cluster }}
strimzi.cluster names a Kafka, and kafkaCluster.enabled makes one: keep one of them
{{- end }}
{{- range $part := list "kafkaTopics" "kafkaUsers" }}
{{- if and (get (get $.Values $part) "enabled") (not (include "afflux.kafkaCluster" $)) }}
{{ $part }}.enabled needs the Kafka that they belong to: set strimzi.cluster, or kafkaCluster.enabled
{{- end }}
{{- if get (get $.Values $part) "enabled" }}
{{- include "afflux.check.shardsInList" (list $ (printf "%s.enabled" $part)) }}
{{- end }}
{{- end }}
{{- if .Values.kafkaCluster.enabled }}
{{- $copies := int (default 1 .Values.kafka.topics.replication) }}
{{- if gt $copies (int .Values.kafkaCluster.replicas) }}
kafka.topics.replication {{ $copies }} is more than the {{ .Values.kafkaCluster.replicas }} brokers of kafkaCluster.replicas
{{- end }}
{{- if and .Values.kafkaConnect.enabled (gt (int .Values.kafkaConnect.replicationFactor) (int .Values.kafkaCluster.replicas)) }}
kafkaConnect.replicationFactor {{ .Values.kafkaConnect.replicationFactor }} is more than the {{ .Values.kafkaCluster.replicas }} brokers of kafkaCluster.replicas
{{- end }}
{{- if and .Values.registryServer.enabled (eq .Values.registryServer.storage "kafkasql") (gt (int .Values.registryServer.replicationFactor) (int .Values.kafkaCluster.replicas)) }}
registryServer.replicationFactor {{ .Values.registryServer.replicationFactor }} is more than the {{ .Values.kafkaCluster.replicas }} brokers of kafkaCluster.replicas
{{- end }}
{{- end }}
{{- if .Values.kafkaTopics.enabled }}
{{- include "afflux.check.tablesByName" (list . "kafkaTopics.enabled") }}
{{- end }}
{{- end -}}

{{- define "afflux.check.servers" -}}
{{- if and .Values.registryServer.enabled .Values.registry.url }}
registry.url names a registry, and registryServer.enabled makes one: keep one of them
{{- else if not (or .Values.registryServer.enabled .Values.registry.url) }}
there is no registry: set registry.url, or registryServer.enabled
{{- end }}
{{- with .Values.registryServer }}
{{- if and .enabled (eq .storage "postgresql") (not (and .postgresql.url .postgresql.secret)) }}
registryServer.storage postgresql needs registryServer.postgresql.url and registryServer.postgresql.secret
{{- end }}
{{- end }}
{{- if and .Values.kafkaConnect.enabled .Values.connect.url }}
connect.url names a Kafka Connect, and kafkaConnect.enabled makes one: keep one of them
{{- else if not (or .Values.kafkaConnect.enabled .Values.connect.url) }}
there is no Kafka Connect: set connect.url, or kafkaConnect.enabled
{{- end }}
{{- if and .Values.kafkaConnect.enabled .Values.strimzi.connectCluster }}
strimzi.connectCluster names a KafkaConnect, and kafkaConnect.enabled makes one: keep one of them
{{- end }}
{{- with .Values.kafkaConnect }}
{{- if and .enabled .image .build.image }}
kafkaConnect.image is an image, and kafkaConnect.build.image is where one is pushed to: keep one of them
{{- else if and .enabled (not (or .image .build.image)) }}
kafkaConnect.enabled needs an image: set kafkaConnect.build.image, where Strimzi pushes the one that it builds, or kafkaConnect.image
{{- end }}
{{- if and .enabled .build.image $.Values.connectors.plugin (not .build.affluxPlugin.url) }}
connectors.plugin is true, and kafkaConnect.build has no afflux plugin: set kafkaConnect.build.affluxPlugin, or connectors.plugin to false (some types then lose values: docs/plugin.md)
{{- end }}
{{- end }}
{{- end -}}

{{- define "afflux.check.connectors" -}}
{{- $by := .Values.connectors.appliedBy -}}
{{- if and (eq $by "supervisor") (not .Values.supervisor.enabled) }}
connectors.appliedBy is supervisor, and supervisor.enabled is false: who makes the connectors? Set connectors.appliedBy to job or strimzi
{{- end }}
{{- if eq $by "strimzi" }}
{{- if not (include "afflux.connectCluster" .) }}
connectors.appliedBy strimzi needs the KafkaConnect that they belong to: set strimzi.connectCluster, or kafkaConnect.enabled
{{- end }}
{{- if not .Values.supervisor.enabled }}
connectors.appliedBy strimzi needs the supervisor, which makes each shard's publication and asks for the rows of new tables: set supervisor.enabled
{{- end }}
{{- include "afflux.check.shardsInList" (list . "connectors.appliedBy strimzi") }}
{{- if kindIs "slice" .Values.shards }}
{{- range .Values.shards }}
{{- $name := include "afflux.shardName" (dict "root" $ "shard" . "kind" "connector") }}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" $name) }}
Strimzi calls a connector as its resource, and {{ $name }} can't be one's name: set source.names.connector, or rename topology or shard without '_'
{{- end }}
{{- end }}
{{- end }}
{{- $security := (.Files.Get "files/connector.json" | fromJson).security }}
{{- $consumer := regexMatch "(?m)^signal\\.consumer\\." (keys (default dict .Values.source.config) | join "\n") }}
{{- range $key, $_ := .Values.kafka.properties }}
{{- if and (not $consumer) (regexMatch "^(sasl\\.|ssl\\.|enable\\.ssl)" $key) (not (hasKey $security $key)) (not (has $key (list "sasl.username" "sasl.password"))) }}
kafka.properties: {{ $key }} can't be handed on to the connectors' consumer of signals: set that consumer's own properties under source.config as signal.consumer.<property>
{{- end }}
{{- end }}
{{- if and (not (regexMatch "/apis/ccompat" (include "afflux.registryUrl" .))) (not .Values.connect.registry_url) }}
registry.url does not tell where the connectors' converter finds the registry: set connect.registry_url
{{- end }}
{{- include "afflux.check.tablesByName" (list . "connectors.appliedBy strimzi") }}
{{- if and (not .Values.connectors.plugin) (ne "{}" (include "afflux.masks" (dict "root" $ "index" 0))) }}
connectors.plugin is false, and columns shall be masked at the source, which only the plugin does: set it to true, or mask in the sink (where: sink)
{{- end }}
{{- end }}
{{- end -}}

{{- define "afflux.check.shardsInList" -}}
{{- if not (kindIs "slice" (first .).Values.shards) }}
{{ last . }} needs the shards in a list: a directory's shards are known at run time only
{{- end }}
{{- end -}}

{{- define "afflux.check.tablesByName" -}}
{{- range $index, $table := (first .).Values.tables }}
{{- if include "afflux.isExpression" $table }}
{{ last $ }} needs tables by name: tables[{{ $index }}].source {{ $table.source | quote }} is an expression, and only the shards know what it means
{{- end }}
{{- end }}
{{- end -}}

{{- define "afflux.check.secrets" -}}
{{- $es := .Values.externalSecrets -}}
{{- if and $es.enabled (not $es.storeRef.name) }}
externalSecrets.enabled needs externalSecrets.storeRef.name
{{- end }}
{{- if and $es.enabled (not $es.data) }}
externalSecrets.enabled needs externalSecrets.data: the variables, and where the store has them
{{- end }}
{{- range $name := include "afflux.references" (dict "of" (include "afflux.topology" .)) | fromJsonArray }}
{{- $given := include "afflux.variable" (dict "root" $ "name" $name "user" "control") }}
{{- if not $given }}
the topology refers to ${env:{{ $name }}}, and nothing has it: set secrets.existing, secrets.env.{{ $name }}, or externalSecrets.data.{{ $name }}
{{- end }}
{{- end }}
{{- range $file := .Values.secrets.files }}
{{- if and $.Values.kafkaConnect.enabled (not (hasPrefix "/mnt/" $file.path)) }}
secrets.files: {{ $file.path }} must lie below /mnt, for Strimzi mounts nothing elsewhere into Kafka Connect
{{- end }}
{{- end }}
{{- if not (regexMatch "^(\\$\\{[^}]+\\})?$" .Values.source.password) }}
source.password is written in clear: write a reference such as ${env:CDC_PASSWORD}
{{- end }}
{{- end -}}

{{- define "afflux.check.sinks" -}}
{{- $names := list -}}
{{- range .Values.sinks }}{{ $names = append $names .name }}{{ end -}}
{{- range $name, $_ := .Values.sink.each }}
{{- if not (has $name $names) }}
sink.each.{{ $name }}: there is no sink of that name; sinks has {{ join ", " $names }}
{{- end }}
{{- end }}
{{- range $sink := .Values.sinks }}
{{- $part := include "afflux.sinkValues" (list $ $sink.name) | fromYaml }}
{{- $most := ternary $part.autoscaling.maxReplicas $part.replicas $part.autoscaling.enabled }}
{{- if and $part.autoscaling.enabled (lt (int $part.autoscaling.maxReplicas) (int $part.autoscaling.minReplicas)) }}
sink {{ $sink.name }}: autoscaling.maxReplicas {{ $part.autoscaling.maxReplicas }} is less than autoscaling.minReplicas {{ $part.autoscaling.minReplicas }}
{{- end }}
{{- if and (eq $sink.type "duckdb") (gt (int $most) 1) }}
sink {{ $sink.name }} is a file, which has one writer: it can't have {{ $most }} replicas
{{- end }}
{{- $folder := default "" $sink.path }}
{{- if hasPrefix "/" $folder }}
{{- $mounted := false }}
{{- range $part.volumeMounts }}{{ if hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) (printf "%s/" $folder) }}{{ $mounted = true }}{{ end }}{{ end }}
{{- if not $mounted }}
sink {{ $sink.name }} writes to {{ $folder }}, and no volume is there: set sink.volumes and sink.volumeMounts, or write to an object store
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "afflux.check.names" -}}
{{- $made := dict -}}
{{- range $sink := .Values.sinks }}
{{- $name := include "afflux.name" (list $ "sink" $sink.name) }}
{{- if hasKey $made $name }}
sinks {{ get $made $name }} and {{ $sink.name }} would both be called {{ $name }} in Kubernetes: rename one
{{- end }}
{{- $_ := set $made $name $sink.name }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9][a-z0-9_-]{0,47}$" (include "afflux.topologyName" .)) }}
the topology's name {{ include "afflux.topologyName" . }} must be 1 to 48 lower case letters, digits, '_' and '-', the first a letter or digit: set name
{{- end }}
{{- range $key, $_ := .Values.topology }}
{{- if has $key (list "name" "kafka" "registry" "connect" "source" "tables" "transforms" "sinks") }}
topology.{{ $key }} has its own place in the values: set {{ $key }} there
{{- end }}
{{- end }}
{{- end -}}

{{- define "afflux.check.network" -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.egressPorts) (has "" (include "afflux.ports" . | fromJsonArray)) }}
networkPolicy.enabled: an address of the topology is a reference, which hides its port: name it in networkPolicy.egressPorts
{{- end }}
{{- end -}}

{{/* The TCP ports that the topology's addresses name -> JSON list; "" stands for one that a reference hides. */}}
{{- define "afflux.ports" -}}
{{- $topology := include "afflux.topology" . | fromYaml -}}
{{- $hosts := compact (splitList "," $topology.kafka.bootstrap_servers) -}}
{{- $urls := prepend (splitList "," $topology.connect.url) $topology.registry.url -}}
{{- if kindIs "slice" .Values.shards -}}
{{- range .Values.shards }}{{ $hosts = append $hosts (printf "shard:%d" (int (default 5432 .port))) }}{{ end -}}
{{- else -}}
{{- $urls = append $urls .Values.shards.query.url -}}
{{- $hosts = append $hosts "shard:5432" -}}
{{- end -}}
{{- range dig "monitor" "alerts" "webhooks" list $topology }}{{ $urls = append $urls .url }}{{ end -}}
{{- range .Values.sinks -}}
{{- with .url }}{{ $urls = append $urls . }}{{ end -}}
{{- if regexMatch "^[a-z0-9]+://" (default "" .path) }}{{ $urls = append $urls (printf "https://%s" .path) }}{{ end -}}
{{- end -}}
{{- $schemes := dict "http" "80" "https" "443" "postgresql" "5432" "postgres" "5432" "mysql" "3306" -}}
{{- range $url := compact $urls -}}
{{- if regexMatch "^[a-z0-9+]+://" $url -}}
{{- $scheme := regexFind "^[a-z0-9]+" $url -}}
{{- $authority := regexReplaceAll "^[a-z0-9+]+://([^/?]*@)?" $url "" | splitList "/" | first | splitList "?" | first -}}
{{- range splitList "," $authority -}}
{{- $hosts = append $hosts (ternary . (printf "%s:%s" . (default "" (get $schemes $scheme))) (regexMatch ":[0-9]+$" .)) -}}
{{- end -}}
{{- else -}}
{{- $hosts = append $hosts "hidden" -}}
{{- end -}}
{{- end -}}
{{- $ports := list -}}
{{- range $hosts }}{{ $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" .)) }}{{ end -}}
{{- $ports | uniq | sortAlpha | toJson -}}
{{- end -}}

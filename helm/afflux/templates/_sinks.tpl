{{/* A sink's own settings: `sink`, and what `sink.each` says of it. (list $ name) -> YAML */}}
{{- define "afflux.sinkValues" -}}
{{- $all := (first .).Values.sink -}}
{{- mergeOverwrite (deepCopy (omit $all "each")) (deepCopy (default dict (get $all.each (last .)))) | toYaml -}}
{{- end -}}

{{/* What a sink's worker reads of the topology: all but the other sinks. (list $ name) -> YAML */}}
{{- define "afflux.sinkTopology" -}}
{{- $whole := include "afflux.topology" (first .) | fromYaml -}}
{{- range $sink := $whole.sinks -}}
{{- if eq $sink.name (last $) }}{{ $_ := set $whole "sinks" (list $sink) }}{{ end -}}
{{- end -}}
{{- $whole | toYaml -}}
{{- end -}}

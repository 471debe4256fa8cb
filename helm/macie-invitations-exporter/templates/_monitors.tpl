{{/* One endpoint, the same in a ServiceMonitor and a PodMonitor: (list $ monitor). */}}
{{- define "macie-invitations-exporter.endpoint" -}}
{{- $context := index . 0 }}
{{- $monitor := index . 1 }}
port: metrics
path: {{ include "macie-invitations-exporter.telemetryPath" $context }}
{{- if $context.Values.webConfig.tls }}
{{- /* Targets are addresses, and certificates are made for names. */}}
{{- $name := dict "serverName" (include "macie-invitations-exporter.host" $context) }}
{{- $monitor = merge (dict "scheme" "https" "tlsConfig" (merge (deepCopy ($monitor.tlsConfig | default dict)) $name)) $monitor }}
{{- end }}
scheme: {{ $monitor.scheme }}
honorLabels: {{ $monitor.honorLabels }}
{{- range $key := list "interval" "scrapeTimeout" "params" "proxyUrl" "tlsConfig" "basicAuth" "authorization" "relabelings" "metricRelabelings" }}
{{- with index $monitor $key }}
{{- dict $key . | toYaml | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}

{{/* What stands beside the endpoints: (list $ monitor). */}}
{{- define "macie-invitations-exporter.monitorSpec" -}}
{{- $context := index . 0 }}
{{- $monitor := index . 1 }}
{{- range $key := list "jobLabel" "targetLabels" "podTargetLabels" "scrapeClass" }}
{{- with get $monitor $key }}
{{- dict $key . | toYaml | nindent 0 }}
{{- end }}
{{- end }}
{{- range $key := list "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" }}
{{- /* Helm 3.18.0 reads a number as text, so that even 0 is something: made a number first. */}}
{{- with get $monitor $key | int64 }}
{{- dict $key . | toYaml | nindent 0 }}
{{- end }}
{{- end }}
namespaceSelector:
  matchNames:
    - {{ include "macie-invitations-exporter.namespace" $context | quote }}
{{- end }}

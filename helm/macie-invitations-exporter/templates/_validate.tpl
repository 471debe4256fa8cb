{{/* What a schema cannot say, or not so that its message helps. Each message names the key and what to do. */}}
{{- define "exporter.validate" -}}
{{- $config := .Values.config | default dict }}
{{- $web := $config.web | default dict }}
{{- $sharded := include "exporter.sharded" . }}
{{- if and $sharded $config.shard }}
{{- fail "config.shard: the chart sets it for every pod when shards > 1: leave it out" }}
{{- end }}
{{- if and $sharded .Values.demo.enabled }}
{{- fail "shards: the demo is one process: leave shards at 1, or demo.enabled at false" }}
{{- end }}
{{- if $web.config_file }}
{{- fail "config.web.config_file: put the file into a Secret and name it in webConfig.secret, so that probes and monitors know of TLS" }}
{{- end }}
{{- range $key := list "tls" "authentication" "certificateSecret" }}
{{- if and (index $.Values.webConfig $key) (not $.Values.webConfig.secret) }}
{{- fail (printf "webConfig.%s: is of use only with webConfig.secret, the Secret that holds the web configuration file" $key) }}
{{- end }}
{{- end }}
{{- if regexMatch "^(127[.]|localhost:|\\[::1\\])" (include "exporter.listenAddress" .) }}
{{- fail (printf "config.web.listen_address = %s: nothing outside the pod reaches it: write :%s" $web.listen_address (include "exporter.port" .)) }}
{{- end }}
{{- if eq (include "exporter.port" . | int) 0 }}
{{- fail (printf "config.web.listen_address = %s: the Service needs a port that is known: write :10058" $web.listen_address) }}
{{- end }}
{{- if .Values.existingConfig.name }}
{{- with omit $config "web" | keys | sortAlpha }}
{{- fail (printf "config.%s: with existingConfig.name set only config.web.listen_address and config.web.telemetry_path are read: put it into that file" (first .)) }}
{{- end }}
{{- with omit $web "listen_address" "telemetry_path" "config_file" | keys | sortAlpha }}
{{- fail (printf "config.web.%s: with existingConfig.name set only config.web.listen_address and config.web.telemetry_path are read: put it into that file" (first .)) }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "podMonitor.enabled: with serviceMonitor.enabled every pod would be scraped twice: choose one" }}
{{- end }}
{{- $own := list "age_bucket" "alertname" "alertstate" "aws_account_id" "aws_region" "error_code" "instance" "job" "pod" "relationship_status" "service" "severity" "shard" "state" }}
{{- range $name := .Values.prometheusRule.additionalAggregationLabels }}
{{- if has $name $own }}
{{- fail (printf "prometheusRule.additionalAggregationLabels: %s: the rules look after that one themselves: name labels of whole installations, like cluster" $name) }}
{{- end }}
{{- end }}
{{- $shipped := include "exporter.alertNames" . | fromYamlArray }}
{{- range $name := .Values.prometheusRule.alerts | default dict | keys | sortAlpha }}
{{- if not (has $name $shipped) }}
{{- fail (printf "prometheusRule.alerts.%s: no such alert is shipped; there are: %s" $name (join ", " $shipped)) }}
{{- end }}
{{- end }}
{{- end }}

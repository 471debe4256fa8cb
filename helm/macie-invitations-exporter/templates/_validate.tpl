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
{{- $name := include "exporter.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- fail (printf "release name %s: a Service's name must begin with a letter and hold only a-z, 0-9 and -, which %s does not: name the release otherwise, or set fullnameOverride" .Release.Name $name) }}
{{- end }}
{{- if and .Values.service.nodePort (eq .Values.service.type "ClusterIP") }}
{{- fail "service.nodePort: a Service of type ClusterIP has none: set service.type to NodePort or LoadBalancer" }}
{{- end }}
{{- range $probe := list "livenessProbe" "startupProbe" }}
{{- if gt ((get $.Values $probe | default dict).successThreshold | default 1 | int) 1 }}
{{- fail (printf "%s.successThreshold: Kubernetes takes only 1 here: leave it out" $probe) }}
{{- end }}
{{- end }}
{{- $rolling := (.Values.updateStrategy | default dict).rollingUpdate | default dict }}
{{- if and (has ($rolling.maxSurge | toString) (list "0" "0%")) (has ($rolling.maxUnavailable | toString) (list "0" "0%")) }}
{{- fail "updateStrategy.rollingUpdate: maxSurge and maxUnavailable are both 0, so that no pod could ever be replaced: set one of them to 1" }}
{{- end }}
{{- $own := list }}
{{- range include "exporter.ownEnv" . | fromYamlArray }}{{ $own = append $own .name }}{{ end }}
{{- range .Values.extraEnv }}
{{- if has .name $own }}
{{- fail (printf "extraEnv: %s: the chart sets this one itself: leave it out" .name) }}
{{- end }}
{{- end }}
{{- range .Values.extraVolumes }}
{{- if has .name (list "config" "web-config") }}
{{- fail (printf "extraVolumes: %s: the chart has a volume of this name: choose another" .name) }}
{{- end }}
{{- end }}
{{- range concat (.Values.extraContainers | default list) (.Values.initContainers | default list) }}
{{- if eq (toString .name) "exporter" }}
{{- fail "extraContainers, initContainers: the chart has a container of the name exporter: choose another" }}
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

{{/* What a schema cannot say, or not so that its message helps. Each message names the key and what to do. */}}
{{- define "macie-invitations-exporter.validate" -}}
{{- $config := .Values.config | default dict }}
{{- $web := $config.web | default dict }}
{{- $sharded := include "macie-invitations-exporter.sharded" . }}
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
{{- if regexMatch "^(127[.]|localhost:|\\[::1\\])" (include "macie-invitations-exporter.listenAddress" .) }}
{{- fail (printf "config.web.listen_address = %s: nothing outside the pod reaches it: write :%s" $web.listen_address (include "macie-invitations-exporter.port" .)) }}
{{- end }}
{{- if eq (include "macie-invitations-exporter.port" . | int) 0 }}
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
{{- $name := include "macie-invitations-exporter.fullname" . }}
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
{{- if (.Values.readinessProbe | default dict).terminationGracePeriodSeconds }}
{{- fail "readinessProbe.terminationGracePeriodSeconds: a failing readiness ends no container: leave it out" }}
{{- end }}
{{- if and (eq (.Values.dnsPolicy | default "") "None") (not (.Values.dnsConfig | default dict).nameservers) }}
{{- fail "dnsPolicy: None needs dnsConfig.nameservers" }}
{{- end }}
{{- range .Values.extraArgs }}
{{- with regexFind "^--(web\\.(listen-address|telemetry-path|config-file|config\\.file)|config\\.file)\\b" . }}
{{- fail (printf "extraArgs: %s: Service, probes and monitors go by the values: set config, existingConfig or webConfig instead" .) }}
{{- end }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if and (hasKey . "value") (hasKey . "valueFrom") }}
{{- fail (printf "extraEnv: %s: value and valueFrom, of which only one can be" .name) }}
{{- end }}
{{- end }}
{{- /* Taken by the chart, and by whatever of the values came before. */}}
{{- $env := list "MACIE_EXPORTER_WEB__LISTEN_ADDRESS" "MACIE_EXPORTER_WEB__TELEMETRY_PATH" }}
{{- range include "macie-invitations-exporter.ownEnv" . | fromYamlArray }}{{ $env = append $env .name }}{{ end }}
{{- $containers := concat (.Values.extraContainers | default list) (.Values.initContainers | default list) }}
{{- include "macie-invitations-exporter.unique" (list "extraEnv" .Values.extraEnv "name" $env) }}
{{- include "macie-invitations-exporter.unique" (list "extraVolumes" .Values.extraVolumes "name" (list "config" "web-config")) }}
{{- $paths := list "/etc/macie-invitations-exporter" (include "macie-invitations-exporter.webConfigFolder" .) }}
{{- include "macie-invitations-exporter.unique" (list "extraVolumeMounts" .Values.extraVolumeMounts "mountPath" $paths) }}
{{- include "macie-invitations-exporter.unique" (list "extraContainers, initContainers" $containers "name" (list "exporter")) }}
{{- include "macie-invitations-exporter.unique" (list "prometheusRule.additionalGroups" .Values.prometheusRule.additionalGroups "name" (list "macie-invitations")) }}
{{- range $key := list "serviceMonitor" "podMonitor" }}
{{- $monitor := get $.Values $key }}
{{- $interval := include "macie-invitations-exporter.milliseconds" $monitor.interval | int64 }}
{{- if and $interval (gt (include "macie-invitations-exporter.milliseconds" $monitor.scrapeTimeout | int64) $interval) }}
{{- fail (printf "%s.scrapeTimeout = %s: longer than the interval (%s), so that Prometheus would scrape nothing" $key $monitor.scrapeTimeout $monitor.interval) }}
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
{{- $shipped := include "macie-invitations-exporter.alertNames" . | fromYamlArray }}
{{- range $name := .Values.prometheusRule.alerts | default dict | keys | sortAlpha }}
{{- if not (has $name $shipped) }}
{{- fail (printf "prometheusRule.alerts.%s: no such alert is shipped; there are: %s" $name (join ", " $shipped)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Refuses what is named twice, or as the chart's own: (list key objects field taken). */}}
{{- define "macie-invitations-exporter.unique" -}}
{{- $key := index . 0 }}
{{- $field := index . 2 }}
{{- $taken := index . 3 }}
{{- range index . 1 }}
{{- $name := get . $field | toString }}
{{- if has $name $taken }}
{{- fail (printf "%s: %s: there is one already, the chart's own or of the values: leave it out, or choose another %s" $key $name $field) }}
{{- end }}
{{- $taken = append $taken $name }}
{{- end }}
{{- end }}

{{/* A duration of Prometheus, if there is one, in milliseconds. */}}
{{- define "macie-invitations-exporter.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 }}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+[a-z]+" (. | default "") -1 }}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" .) (get $units (regexFind "[a-z]+$" .))) }}
{{- end }}
{{- $sum }}
{{- end }}

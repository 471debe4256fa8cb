{{- define "macie-invitations-exporter.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 52 characters: a StatefulSet's pods bear its name, a dash and ten more characters as a label, and 63 is the limit. */}}
{{- define "macie-invitations-exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimAll "-" }}
{{- else }}
{{- $name := include "macie-invitations-exporter.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimAll "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimAll "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Immutable in a Deployment and a StatefulSet: nothing may be added here in a later version. */}}
{{- define "macie-invitations-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "macie-invitations-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "macie-invitations-exporter.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "macie-invitations-exporter.labels" -}}
{{- $own := include "macie-invitations-exporter.selectorLabels" . | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $own | toYaml }}
{{- end }}

{{/*
Metadata of an object: (dict "context" $ "name" "…" "namespace" "…" "labels" {…} "annotations" {…}), the last three if
wanted. In another namespace than the release's its name has that one behind it: releases of one name may meet there.
Names are quoted: `on` and `12345` are names too.
*/}}
{{- define "macie-invitations-exporter.metadata" -}}
{{- $own := include "macie-invitations-exporter.namespace" .context }}
{{- $namespace := .namespace | default $own -}}
name: {{ eq $namespace $own | ternary .name (printf "%s-%s" .name $own) | quote }}
namespace: {{ $namespace | quote }}
labels:
  {{- merge (include "macie-invitations-exporter.labels" .context | fromYaml) (.labels | default dict) (.context.Values.commonLabels | default dict) | toYaml | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "macie-invitations-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "macie-invitations-exporter.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "macie-invitations-exporter.image" -}}
{{- $image := .Values.image }}
{{- $tag := $image.tag | default .Chart.AppVersion }}
{{- with .Values.global.imageRegistry | default $image.registry }}{{ . }}/{{ end }}
{{- $image.repository }}{{ with $image.digest }}@{{ . }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "macie-invitations-exporter.imagePullSecrets" -}}
{{- $secrets := list }}
{{- range concat (.Values.global.imagePullSecrets | default list) (.Values.imagePullSecrets | default list) }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- with $secrets | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What the chart itself must know of the exporter's settings. Helm takes a key away that has nothing behind it. */}}
{{- define "macie-invitations-exporter.web" -}}
{{- (.Values.config | default dict).web | default dict | toYaml }}
{{- end }}

{{- define "macie-invitations-exporter.listenAddress" -}}
{{- (include "macie-invitations-exporter.web" . | fromYaml).listen_address | default ":10058" }}
{{- end }}

{{- define "macie-invitations-exporter.port" -}}
{{- include "macie-invitations-exporter.listenAddress" . | regexFind "[0-9]+$" }}
{{- end }}

{{- define "macie-invitations-exporter.telemetryPath" -}}
{{- (include "macie-invitations-exporter.web" . | fromYaml).telemetry_path | default "/metrics" }}
{{- end }}

{{- define "macie-invitations-exporter.sharded" -}}
{{- if gt (int .Values.shards) 1 }}true{{ end }}
{{- end }}

{{- define "macie-invitations-exporter.configName" -}}
{{- .Values.existingConfig.name | default (include "macie-invitations-exporter.fullname" .) }}
{{- end }}

{{- define "macie-invitations-exporter.configKey" -}}
{{- if .Values.existingConfig.name }}{{ .Values.existingConfig.key }}{{ else }}exporter.yaml{{ end }}
{{- end }}

{{- define "macie-invitations-exporter.configFile" -}}
/etc/macie-invitations-exporter/{{ include "macie-invitations-exporter.configKey" . }}
{{- end }}

{{/* The configuration's text; its hash restarts the pods. */}}
{{- define "macie-invitations-exporter.config" -}}
{{- .Values.config | default dict | toYaml }}
{{- end }}

{{- define "macie-invitations-exporter.scheme" -}}
{{- ternary "https" "http" .Values.webConfig.tls }}
{{- end }}

{{- define "macie-invitations-exporter.webConfigFolder" -}}
/etc/macie-invitations-exporter-web
{{- end }}

{{/* The Service's name in the cluster, which certificates are made for. */}}
{{- define "macie-invitations-exporter.host" -}}
{{ include "macie-invitations-exporter.fullname" . }}.{{ include "macie-invitations-exporter.namespace" . }}.svc
{{- end }}

{{/* A probe: (list $ "/path" timing). The kubelet has no password and no certificate, and a pod is no place for one. */}}
{{- define "macie-invitations-exporter.probe" -}}
{{- $web := (index . 0).Values.webConfig }}
{{- $timing := omit (index . 2) "httpGet" "exec" "tcpSocket" "grpc" }}
{{- $get := dict "path" (index . 1) "port" "metrics" }}
{{- if $web.tls }}
{{- $get = set $get "scheme" "HTTPS" }}
{{- end }}
{{- $handler := ternary (dict "tcpSocket" (dict "port" "metrics")) (dict "httpGet" $get) $web.authentication }}
{{- $handler | merge $timing | toYaml }}
{{- end }}

{{/* Others than the exporter's, or its Service would send scrapes to the test pod. */}}
{{- define "macie-invitations-exporter.testLabels" -}}
app.kubernetes.io/name: {{ include "macie-invitations-exporter.name" . | trunc 58 | trimSuffix "-" }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

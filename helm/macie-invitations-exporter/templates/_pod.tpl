{{/* The pod, the same in the Deployment and in the StatefulSet. */}}
{{- define "macie-invitations-exporter.podTemplate" -}}
{{- $annotations := .Values.podAnnotations | default dict }}
{{- if not .Values.existingConfig.name }}
{{- $annotations = merge (dict "checksum/config" (include "macie-invitations-exporter.config" . | sha256sum)) $annotations }}
{{- end -}}
metadata:
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- /* Without versions: the pods restart for what changes them, not for a new chart. */}}
    {{- merge (include "macie-invitations-exporter.selectorLabels" . | fromYaml) (.Values.podLabels | default dict) (.Values.commonLabels | default dict) | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "macie-invitations-exporter.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  # The variables of Services' addresses could begin as the exporter's own do.
  enableServiceLinks: false
  {{- with include "macie-invitations-exporter.imagePullSecrets" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds | int64 }}
  {{- range $key := list "dnsPolicy" "priorityClassName" "runtimeClassName" }}
  {{- with get $.Values $key }}
  {{ $key }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- range $key := list "dnsConfig" "hostAliases" }}
  {{- with get $.Values $key }}
  {{- dict $key . | toYaml | nindent 2 }}
  {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- $selector := dict "labelSelector" (dict "matchLabels" (include "macie-invitations-exporter.selectorLabels" $ | fromYaml)) }}
    {{- range . }}
    - {{ hasKey . "labelSelector" | ternary . (merge (deepCopy .) $selector) | toYaml | indent 6 | trim }}
    {{- end }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: exporter
      {{- include "macie-invitations-exporter.container" . | nindent 6 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      {{- if and .Values.existingConfig.name (eq .Values.existingConfig.kind "Secret") }}
      secret:
        secretName: {{ include "macie-invitations-exporter.configName" . | quote }}
      {{- else }}
      configMap:
        name: {{ include "macie-invitations-exporter.configName" . | quote }}
      {{- end }}
    {{- if .Values.webConfig.secret }}
    - name: web-config
      projected:
        sources:
          - secret:
              name: {{ .Values.webConfig.secret | quote }}
          {{- with .Values.webConfig.certificateSecret }}
          - secret:
              name: {{ . | quote }}
          {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "macie-invitations-exporter.container" -}}
image: {{ include "macie-invitations-exporter.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  {{- if .Values.demo.enabled }}
  - demo
  # The demo's own address is no setting of the exporter behind it, so the file cannot say it.
  - {{ printf "--web.listen-address=%s" (include "macie-invitations-exporter.listenAddress" .) | quote }}
  {{- if .Values.existingConfig.name }}
  # The demo hands no variables on.
  - {{ printf "--web.telemetry-path=%s" (include "macie-invitations-exporter.telemetryPath" .) | quote }}
  {{- end }}
  {{- else }}
  - serve
  {{- end }}
  - --config.file={{ include "macie-invitations-exporter.configFile" . }}
  {{- if .Values.webConfig.secret }}
  - --web.config-file={{ include "macie-invitations-exporter.webConfigFolder" . }}/{{ .Values.webConfig.key }}
  {{- end }}
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with include "macie-invitations-exporter.env" . | fromYamlArray }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: metrics
    containerPort: {{ include "macie-invitations-exporter.port" . }}
    protocol: TCP
livenessProbe:
  {{- include "macie-invitations-exporter.probe" (list . "/-/healthy" .Values.livenessProbe) | nindent 2 }}
readinessProbe:
  {{- include "macie-invitations-exporter.probe" (list . "/-/ready" .Values.readinessProbe) | nindent 2 }}
startupProbe:
  {{- include "macie-invitations-exporter.probe" (list . "/-/healthy" .Values.startupProbe) | nindent 2 }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: config
    mountPath: /etc/macie-invitations-exporter
    readOnly: true
  {{- if .Values.webConfig.secret }}
  - name: web-config
    mountPath: {{ include "macie-invitations-exporter.webConfigFolder" . }}
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Variables go before the file: each pod's shard, and what the chart must know of a file that it cannot see. */}}
{{- define "macie-invitations-exporter.env" -}}
{{- concat (include "macie-invitations-exporter.ownEnv" . | fromYamlArray) (.Values.extraEnv | default list) | toYaml }}
{{- end }}

{{- define "macie-invitations-exporter.ownEnv" -}}
{{- $env := list }}
{{- if include "macie-invitations-exporter.sharded" . }}
{{- $pod := dict "name" "POD_NAME" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name")) }}
{{- $total := dict "name" "MACIE_EXPORTER_SHARD__TOTAL" "value" (int .Values.shards | toString) }}
{{- $env = list $pod (dict "name" "MACIE_EXPORTER_SHARD__INDEX" "value" "auto") $total }}
{{- end }}
{{- if and .Values.existingConfig.name (not .Values.demo.enabled) }}
{{- $env = append $env (dict "name" "MACIE_EXPORTER_WEB__LISTEN_ADDRESS" "value" (include "macie-invitations-exporter.listenAddress" .)) }}
{{- $env = append $env (dict "name" "MACIE_EXPORTER_WEB__TELEMETRY_PATH" "value" (include "macie-invitations-exporter.telemetryPath" .)) }}
{{- end }}
{{- $env | toYaml }}
{{- end }}

{{/* An update strategy; what only a rolling update has is left out of others, which the API server would refuse. */}}
{{- define "macie-invitations-exporter.strategy" -}}
{{- eq (.type | default "RollingUpdate") "RollingUpdate" | ternary . (omit . "rollingUpdate") | toYaml }}
{{- end }}

{{/*
The files in files/rules/ are rule files as Prometheus reads them. Here they get what the values say:
  * a line of an expression that ends in "# threshold: NAME" has the word before that replaced by
    prometheusRule.thresholds.NAME;
  * prometheusRule.alerts.NAME changes or removes an alert;
  * prometheusRule.runbookUrl, ruleLabels and ruleAnnotations go to every alert.
Never through tpl: the braces in a rule's texts are Prometheus' own.
*/}}
{{- define "exporter.alertNames" -}}
{{- $names := list }}
{{- range $path, $_ := .Files.Glob "files/rules/*.yaml" }}
{{- range ($.Files.Get $path | fromYaml).groups }}
{{- range .rules }}
{{- with .alert }}{{ $names = append $names . }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- $names | sortAlpha | toYaml }}
{{- end }}

{{- define "exporter.ruleGroups" -}}
{{- $groups := list }}
{{- range $path, $_ := .Files.Glob "files/rules/*.yaml" }}
{{- range ($.Files.Get $path | fromYaml).groups }}
{{- $group := . }}
{{- $rules := list }}
{{- range .rules }}
{{- $rule := include "exporter.rule" (list $ .) | fromYaml }}
{{- with $rule }}{{ $rules = append $rules . }}{{ end }}
{{- end }}
{{- if $rules }}
{{- $groups = append $groups (set $group "rules" $rules) }}
{{- end }}
{{- end }}
{{- end }}
{{- concat $groups (.Values.prometheusRule.additionalGroups | default list) | toYaml }}
{{- end }}

{{/* A rule with what the values say, nothing if they remove it: (list $ rule). */}}
{{- define "exporter.rule" -}}
{{- $values := (index . 0).Values.prometheusRule }}
{{- $rule := index . 1 }}
{{- $change := get ($values.alerts | default dict) ($rule.alert | default "") | default dict }}
{{- if ne (toString $change.enabled) "false" }}
{{- $_ := set $rule "expr" (include "exporter.expr" (list $rule.expr $values.thresholds)) }}
{{- if $rule.alert }}
{{- range $key := list "for" "keep_firing_for" }}
{{- with get $change $key }}{{ $_ := set $rule $key . }}{{ end }}
{{- end }}
{{- $labels := mergeOverwrite dict ($rule.labels | default dict) ($values.ruleLabels | default dict) ($change.labels | default dict) }}
{{- $annotations := mergeOverwrite dict ($rule.annotations | default dict) ($values.ruleAnnotations | default dict) }}
{{- with $values.runbookUrl }}
{{- $_ := set $annotations "runbook_url" (printf "%s/%s.md" (trimSuffix "/" .) $rule.alert) }}
{{- end }}
{{- $_ := set $rule "labels" $labels }}
{{- $_ := set $rule "annotations" (mergeOverwrite $annotations ($change.annotations | default dict)) }}
{{- end }}
{{- toYaml $rule }}
{{- end }}
{{- end }}

{{/* An expression with its thresholds: (list expression thresholds). The comment stays, and says which it is. */}}
{{- define "exporter.expr" -}}
{{- $expr := index . 0 | toString }}
{{- range $name, $value := index . 1 }}
{{- $expr = regexReplaceAll (printf "(?m)[^ \\n]+( +# threshold: %s)$" $name) $expr (printf "%s${1}" (toJson $value)) }}
{{- end }}
{{- $expr }}
{{- end }}

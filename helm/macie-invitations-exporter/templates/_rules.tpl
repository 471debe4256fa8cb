{{/*
The files in files/rules/ are rule files as Prometheus reads them. Here they get what the values say:
  * a line of an expression that ends in "# threshold: NAME" has the word before that replaced by
    prometheusRule.thresholds.NAME;
  * the labels of prometheusRule.additionalAggregationLabels are put into every by (…) and on (…) of an expression, and
    into every query of a text;
  * prometheusRule.alerts.NAME changes or removes an alert;
  * prometheusRule.runbookUrl, ruleLabels and ruleAnnotations go to every alert, dashboardUrl and exporterUrl become
    links.
Never through tpl: the braces in a rule's texts are Prometheus' own.
*/}}
{{- define "macie-invitations-exporter.alertNames" -}}
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

{{- define "macie-invitations-exporter.ruleGroups" -}}
{{- $groups := list }}
{{- range $path, $_ := .Files.Glob "files/rules/*.yaml" }}
{{- range ($.Files.Get $path | fromYaml).groups }}
{{- $group := . }}
{{- $rules := list }}
{{- range concat (include "macie-invitations-exporter.accountLabels" $ | fromYamlArray) .rules }}
{{- $rule := include "macie-invitations-exporter.rule" (list $ .) | fromYaml }}
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
{{- define "macie-invitations-exporter.rule" -}}
{{- $values := (index . 0).Values.prometheusRule }}
{{- $rule := index . 1 }}
{{- $change := get ($values.alerts | default dict) ($rule.alert | default "") | default dict }}
{{- if ne (toString $change.enabled) "false" }}
{{- $kept := $values.additionalAggregationLabels }}
{{- $expr := include "macie-invitations-exporter.expr" (list $rule.expr $values.thresholds) }}
{{- $ofAccount := contains "$labels.aws_account_id" (dig "annotations" "description" "" $rule) }}
{{- if and $ofAccount $values.accountLabels }}
{{- $expr = printf "(\n%s)\n  * on (aws_account_id) group_left (%s) macie:account:labels\nor\n(\n%s)\n  unless on (aws_account_id) macie:account:labels\n" $expr (include "macie-invitations-exporter.accountLabelNames" (index . 0)) $expr }}
{{- end }}
{{- $_ := set $rule "expr" (include "macie-invitations-exporter.apart" (list $expr $kept)) }}
{{- if $rule.alert }}
{{- $_ := set $rule.annotations "description" (include "macie-invitations-exporter.asking" (list $rule.annotations.description $kept)) }}
{{- range $key := list "for" "keep_firing_for" }}
{{- with get $change $key }}{{ $_ := set $rule $key . }}{{ end }}
{{- end }}
{{- $labels := mergeOverwrite dict ($rule.labels | default dict) ($values.ruleLabels | default dict) ($change.labels | default dict) }}
{{- $annotations := mergeOverwrite dict ($rule.annotations | default dict) ($values.ruleAnnotations | default dict) }}
{{- with $values.runbookUrl }}
{{- $_ := set $annotations "runbook_url" (printf "%s/%s.md" (trimSuffix "/" .) $rule.alert) }}
{{- end }}
{{- with $values.dashboardUrl }}
{{- $board := ternary "account/macie-account?var-account={{ $labels.aws_account_id }}" "exporter/macie-exporter" $ofAccount }}
{{- $_ := set $annotations "dashboard_url" (printf "%s/d/macie-%s" (trimSuffix "/" .) $board) }}
{{- end }}
{{- if and $ofAccount $values.exporterUrl }}
{{- $_ := set $annotations "target_url" (printf "%s/targets/{{ $labels.aws_account_id }}/{{ $labels.aws_region }}" (trimSuffix "/" $values.exporterUrl)) }}
{{- end }}
{{- $_ := set $rule "labels" $labels }}
{{- $_ := set $rule "annotations" (mergeOverwrite $annotations ($change.annotations | default dict)) }}
{{- end }}
{{- toYaml $rule }}
{{- end }}
{{- end }}

{{/* Labels of macie_account_info, as the exporter names them. */}}
{{- define "macie-invitations-exporter.accountLabelNames" -}}
{{- range $number, $key := .Values.prometheusRule.accountLabels }}
{{- if $number }}, {{ end }}label_{{ regexReplaceAll "[^a-zA-Z0-9_]" $key "_" }}
{{- end }}
{{- end }}

{{/*
What remembers the labels of each account: those that are known now, else, while an alert is about it, those that were.
An alert whose labels went away with the exporter would resolve, and fire as another.
*/}}
{{- define "macie-invitations-exporter.accountLabels" -}}
{{- if .Values.prometheusRule.accountLabels }}
- record: macie:account:labels
  expr: |
    topk by (aws_account_id) (
      1, group by (aws_account_id, {{ include "macie-invitations-exporter.accountLabelNames" . }}) (macie_account_info)
    )
    or on (aws_account_id)
    macie:account:labels and on (aws_account_id) ALERTS{alertname=~"Macie.+"}
{{- else }}
[]
{{- end }}
{{- end }}

{{/* An expression with its thresholds: (list expression thresholds). The comment stays, and says which it is. */}}
{{- define "macie-invitations-exporter.expr" -}}
{{- $expr := index . 0 | toString }}
{{- range $name, $value := index . 1 }}
{{- $expr = regexReplaceAll (printf "(?m)[^ \\n]+( +# threshold: %s)$" $name) $expr (printf "%s${1}" (toJson $value)) }}
{{- end }}
{{- $expr }}
{{- end }}

{{/* An expression that keeps apart what some labels tell apart: (list expression labels). */}}
{{- define "macie-invitations-exporter.apart" -}}
{{- $expr := index . 0 }}
{{- with index . 1 }}
{{- $expr = regexReplaceAll "\\b(by|on) \\(" $expr (printf "${1} (%s, " (join ", " .)) | replace ", )" ")" }}
{{- end }}
{{- $expr }}
{{- end }}

{{/*
A text whose queries ask for what has the alert's own values of some labels: (list text labels). In a query each selector
begins with the job or the account; among its arguments theirs go before that one's, and not where the text shows it.
*/}}
{{- define "macie-invitations-exporter.asking" -}}
{{- $text := index . 0 | replace "{{ $labels." "{{$labels." }}
{{- $matchers := "" }}
{{- $values := "" }}
{{- range index . 1 }}
{{- $matchers = printf "%s%s='%%s'," $matchers . }}
{{- $values = printf "%s $$labels.%s" $values . }}
{{- end }}
{{- $text = regexReplaceAll "\\{( ?)(job|aws_account_id)='%s'" $text (printf "{${1}%s${2}='%%s'" $matchers) }}
{{- $text = regexReplaceAll " \\$labels\\.(job|aws_account_id)\\b" $text (printf "%s $$labels.${1}" $values) }}
{{- $text = regexReplaceAll "\"( \\$labels\\.inviter_account_id)\\b" $text (printf "\"%s${1}" $values) }}
{{- $text | replace "{{$labels." "{{ $labels." }}
{{- end }}

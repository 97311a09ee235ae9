{{- define "bellwether.name" -}}
{{- .Values.nameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* For what has no namespace: two releases of one name must not share it. */}}
{{- define "bellwether.clusterName" -}}
{{- $name := include "bellwether.name" . -}}
{{- if eq $name .Release.Namespace }}{{ $name }}{{ else }}{{ .Release.Namespace }}-{{ $name }}{{ end -}}
{{- end }}

{{- define "bellwether.selector" -}}
app.kubernetes.io/name: bellwether
app.kubernetes.io/instance: {{ include "bellwether.name" . }}
{{- end }}

{{- define "bellwether.labels" -}}
{{ include "bellwether.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "bellwether.account" -}}
{{- .Values.serviceAccount.name | default (include "bellwether.name" .) -}}
{{- end }}

{{- define "bellwether.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "bellwether.secret" -}}
{{- .Values.certificates.secretName | default (printf "%s-replication" (include "bellwether.name" .)) -}}
{{- end }}

{{- define "bellwether.sharedName" -}}
{{- .Values.certificates.sharedName | default (include "bellwether.name" .) -}}
{{- end }}

{{- define "bellwether.tls" -}}
{{- if has .Values.certificates.from (list "chart" "secret" "cert-manager") }}true{{ end -}}
{{- end }}

{{/* What is spoken with the route server that is read: http, https; empty where it is none. */}}
{{- define "bellwether.upstream" -}}
{{- regexFind "^eskip[+]https?:" .Values.source.from | trimPrefix "eskip+" | trimSuffix ":" -}}
{{- end }}

{{/* Whether anything is mounted for TLS towards it. Both are refused where they would not be used. */}}
{{- define "bellwether.upstreamFiles" -}}
{{- $source := .Values.source -}}
{{- $ca := or $source.ca.secretName $source.ca.configMapName -}}
{{- if and $source.ca.secretName $source.ca.configMapName -}}
{{- fail "source.ca: name a Secret or a ConfigMap, not both" -}}
{{- else if eq (include "bellwether.upstream" .) "https" -}}
{{- if not $ca }}{{ fail "source.ca: the image trusts nobody by itself; name who signs the certificate of source.from" }}{{ end -}}
true
{{- else if or $ca $source.certificate.secretName -}}
{{- fail "source.ca and source.certificate go with a source.from of eskip+https://HOST" -}}
{{- end -}}
{{- end }}

{{/* What stands by need not run. */}}
{{- define "bellwether.running" -}}
{{- if and (eq .Values.rollout.mode "off") (not .Values.rollout.standBy) }}0{{ else }}{{ .Values.replicas }}{{ end -}}
{{- end }}

{{- define "bellwether.peers" -}}
{{- $name := include "bellwether.name" . -}}
{{- $peers := list -}}
{{- range $i := until (int .Values.replicas) -}}
{{- $peers = append $peers (printf "%s-%d.%s-replicas.$(POD_NAMESPACE).svc:9912" $name $i $name) -}}
{{- end -}}
{{- join "," $peers -}}
{{- end }}

{{/* A number from values arrives as a float, which would be printed as 2.62144e+08. */}}
{{- define "bellwether.flag" -}}
{{- $value := .value -}}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end -}}
{{- printf "-%s=%v" .name $value | quote -}}
{{- end }}

{{- define "im.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "im.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end -}}

{{- define "im.labels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "im.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "im.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "im.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- /* im.required fails for values that the schema cannot refuse. */ -}}
{{- define "im.required" -}}
{{- range $name := list "database" "redis" "amqp" -}}
{{- $service := index $.Values $name -}}
{{- if not (or $service.url $service.urlSecret.name) -}}
{{- fail (printf "set %s.url, or %s.urlSecret.name to the name of a Secret that holds it" $name $name) -}}
{{- end -}}
{{- if and $service.url $service.urlSecret.name -}}
{{- fail (printf "set only one of %s.url and %s.urlSecret.name" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.tokens.secret.name .Values.tokens.jwksURLs) -}}
{{- fail "set tokens.secret.name to the name of a Secret with a key of 32 bytes or more, or tokens.jwksURLs" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "set ingress.host" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- fail "metrics.serviceMonitor needs metrics.enabled=true" -}}
{{- end -}}
{{- end -}}

{{- /* Each secret of a node: the setting and the Secret. The migration needs only the first. */ -}}
{{- define "im.databaseSecrets" -}}
- { setting: IM_DATABASE_URL, secret: {{ toJson .Values.database.urlSecret }} }
- { setting: IM_DATABASE_PASSWORD, secret: {{ toJson .Values.database.passwordSecret }} }
{{- end -}}

{{- define "im.secrets" -}}
{{ include "im.databaseSecrets" . }}
- { setting: IM_REDIS_URL, secret: {{ toJson .Values.redis.urlSecret }} }
- { setting: IM_REDIS_PASSWORD, secret: {{ toJson .Values.redis.passwordSecret }} }
- { setting: IM_AMQP_URL, secret: {{ toJson .Values.amqp.urlSecret }} }
- { setting: IM_AMQP_PASSWORD, secret: {{ toJson .Values.amqp.passwordSecret }} }
- { setting: IM_JWT_SECRET, secret: {{ toJson .Values.tokens.secret }} }
{{- end -}}

{{- define "im.secretEnv" -}}
{{- range fromYamlArray . }}
{{- if .secret.name }}
- name: {{ .setting }}_FILE
  value: /etc/im/secrets/{{ .setting }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "im.secretVolume" -}}
{{- $sources := list }}
{{- range fromYamlArray . }}
{{- if .secret.name }}
{{- $sources = append $sources (dict "secret" (dict "name" .secret.name "items" (list (dict "key" .secret.key "path" .setting)))) }}
{{- end }}
{{- end }}
- name: secrets
  projected:
    defaultMode: 0440
    sources: {{ toJson $sources }}
{{- end -}}

{{- define "im.databaseEnv" -}}
{{- with .Values.database.url }}
- name: IM_DATABASE_URL
  value: {{ quote . }}
{{- end }}
{{- with .Values.database.directURL }}
- name: IM_DATABASE_DIRECT_URL
  value: {{ quote . }}
{{- end }}
{{- end -}}

{{- /* With a certificate, a node speaks TLS only, also to probes. */ -}}
{{- define "im.scheme" -}}
{{- ternary "HTTPS" "HTTP" (hasKey .Values.settings "IM_TLS_CERT_FILE") -}}
{{- end -}}

{{- define "im.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int . }}
runAsGroup: {{ int . }}
fsGroup: {{ int . }}
{{- end }}
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "im.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

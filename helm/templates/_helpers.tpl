{{/* Names and labels. */}}
{{- define "maxspan.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "maxspan.fullname" -}}
{{- $name := include "maxspan.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "maxspan.selectorLabels" -}}
app.kubernetes.io/name: {{ include "maxspan.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "maxspan.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "maxspan.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/component: detector
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "maxspan.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "maxspan.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "maxspan.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end -}}
{{- end }}

{{/* The port that the service listens on, from the end of config.http.listen. */}}
{{- define "maxspan.httpPort" -}}
{{ regexFind "[0-9]+$" .Values.config.http.listen }}
{{- end }}

{{/* The configuration with the paths of mounted secrets filled in; what the values set wins. */}}
{{- define "maxspan.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $kafka := dict -}}
{{- with .Values.secrets.sasl }}{{ if .existingSecret -}}
{{- $_ := set $kafka "sasl" (dict "password_file" (printf "/var/run/secrets/maxspan/sasl/%s" .passwordKey)) -}}
{{- end }}{{ end -}}
{{- with .Values.secrets.tls }}{{ if .existingSecret -}}
{{- $tls := dict "ca_file" "/var/run/secrets/maxspan/tls/ca.crt" -}}
{{- if .clientCertificate -}}
{{- $_ := set $tls "certificate_file" "/var/run/secrets/maxspan/tls/tls.crt" -}}
{{- $_ := set $tls "key_file" "/var/run/secrets/maxspan/tls/tls.key" -}}
{{- end -}}
{{- $_ := set $kafka "security" $tls -}}
{{- end }}{{ end -}}
{{- $config = mergeOverwrite (dict "kafka" $kafka) $config -}}
{{- $security := default dict $config.kafka.security -}}
{{- if and $config.kafka.sasl (not (or $security.protocol $security.ca_file $security.certificate_file)) -}}
{{- fail "config.kafka.sasl asks for a login, and nothing says whether it is made over TLS: set secrets.tls.existingSecret, or config.kafka.security.protocol to sasl_ssl (authorities that the image trusts) or sasl_plaintext (no TLS)." -}}
{{- end -}}
{{ include "maxspan.toml.table" (dict "path" "" "table" $config) }}
{{- end }}

{{/*
TOML. Helm's own toToml writes whole numbers from values files as floats, which a strict reader refuses.
Strings are written as JSON strings, whose escapes TOML shares.
*/}}
{{- define "maxspan.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}

{{- define "maxspan.toml.value" -}}
{{- if kindIs "string" . -}}
{{ toJson . }}
{{- else if kindIs "bool" . -}}
{{ . }}
{{- else if kindIs "slice" . -}}
[{{ range $i, $item := . }}{{ if $i }}, {{ end }}{{ include "maxspan.toml.value" $item }}{{ end }}]
{{- else if kindIs "map" . -}}
{ {{- $first := true }}{{ range $key, $item := . }}{{ if not $first }},{{ end }}{{ $first = false }} {{ include "maxspan.toml.key" $key }} = {{ include "maxspan.toml.value" $item }}{{ end }} }
{{- else if eq (float64 .) (floor .) -}}
{{ int64 . }}
{{- else -}}
{{ float64 . }}
{{- end -}}
{{- end }}

{{- define "maxspan.toml.table" -}}
{{- $path := .path -}}
{{- range $key, $value := .table }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "maxspan.toml.key" $key }} = {{ include "maxspan.toml.value" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- if and (kindIs "map" $value) $value }}
{{- $inner := printf "%s%s" $path (include "maxspan.toml.key" $key) }}

[{{ $inner }}]
{{- include "maxspan.toml.table" (dict "path" (printf "%s." $inner) "table" $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Kafka's ports for the NetworkPolicy: those of the brokers in the configuration and the listed ones. */}}
{{- define "maxspan.kafkaPorts" -}}
{{- $ports := list -}}
{{- $brokers := .Values.config.kafka.brokers -}}
{{- range (kindIs "string" $brokers | ternary (splitList "," (toString $brokers)) $brokers) -}}
{{- $ports = append $ports (default "9092" (regexFind "[0-9]+$" (regexFind ":[0-9]+$" (trim .)))) -}}
{{- end -}}
{{- range .Values.networkPolicy.kafkaPorts }}{{ $ports = append $ports (toString (int .)) }}{{ end -}}
{{- range $ports | uniq }}
- protocol: TCP
  port: {{ . }}
{{- end }}
{{- end }}

{{- define "maxspan.needsRules" -}}
{{- if or .Values.rules.shipped .Values.rules.inline .Values.rules.existingConfigMaps }}yes{{ end -}}
{{- end }}

{{/*
Fails where texts do not fit into one ConfigMap: the API counts their bytes, and refuses more than 1 MiB. With less
room than that here, for the name and the labels.
*/}}
{{- define "maxspan.fits" -}}
{{- $bytes := 0 -}}
{{- range $name, $text := .data }}{{ $bytes = add $bytes (len $name) (len $text) }}{{ end -}}
{{- if gt (int $bytes) 1040000 -}}
{{- fail (printf "%s: %d bytes do not fit into a ConfigMap, which holds 1 MiB. %s" .what (int $bytes) .instead) -}}
{{- end -}}
{{- end }}

{{/* What both the pods and the test pod mount. */}}
{{- define "maxspan.mounts" -}}
- name: config
  mountPath: /etc/maxspan
  readOnly: true
{{- if include "maxspan.needsRules" . }}
- name: rules
  mountPath: /rules
  readOnly: true
{{- end }}
{{- end }}

{{- define "maxspan.volumes" -}}
- name: config
  configMap:
    name: {{ default (include "maxspan.fullname" .) .Values.existingConfigMap }}
{{- if include "maxspan.needsRules" . }}
- name: rules
  projected:
    sources:
      {{- if or .Values.rules.shipped .Values.rules.inline }}
      - configMap:
          name: {{ include "maxspan.fullname" . }}-rules
      {{- end }}
      {{- range .Values.rules.existingConfigMaps }}
      - configMap:
          name: {{ . }}
      {{- end }}
{{- end }}
{{- end }}

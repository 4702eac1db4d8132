{{/* After `helm upgrade --reuse-values` there are the defaults of the older chart alone: what came later is asked for as
(.Values.later).field, which is nothing if `later` is not there. */}}

{{- define "sealgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* At most 57 characters: names of Services end at 63, and the longest suffix of one is `-admin`. */}}
{{- define "sealgate.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 57 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 57 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 57 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sealgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sealgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sealgate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{ include "sealgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: sealgate
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The pod of `helm test`, which is none of the gateway's: no Service, policy or budget may take it for one. */}}
{{- define "sealgate.testLabels" -}}
{{- include "sealgate.labels" . | fromYaml | merge (dict "app.kubernetes.io/name" (printf "%s-test" (include "sealgate.name" . | trunc 58))) | toYaml }}
{{- end }}

{{/* name, namespace, labels and annotations of an object: (list context suffix annotations labels) */}}
{{- define "sealgate.metadata" -}}
{{- $context := index . 0 }}
{{- $annotations := merge (dict) (default (dict) (index . 2)) $context.Values.commonAnnotations -}}
name: {{ include "sealgate.fullname" $context }}{{ index . 1 }}
namespace: {{ $context.Release.Namespace }}
labels:
  {{- include "sealgate.labels" $context | nindent 2 }}
  {{- with index . 3 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "sealgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "sealgate.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "sealgate.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry }}
{{- $name := .Values.image.repository }}
{{- if $registry }}{{ $name = printf "%s/%s" $registry $name }}{{ end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "sealgate.configMapName" -}}
{{- default (printf "%s-config" (include "sealgate.fullname" .)) .Values.existingConfigMap }}
{{- end }}

{{- define "sealgate.secretName" -}}
{{- default (include "sealgate.fullname" .) .Values.existingSecret }}
{{- end }}

{{- define "sealgate.fragmentsSecret" -}}
{{- default .Values.globalConfig.customerFragmentsExistingSecret .Values.crypto.customerFragmentsExistingSecret }}
{{- end }}

{{/* Whether the chart knows of keys of the cluster; a Secret that is there may have them too. */}}
{{- define "sealgate.hasClusterKeys" -}}
{{- $places := list (.Values.clusterKeys).existingSecret (dig "cluster" "keys_file" "" .Values.config) }}
{{- $places = concat $places (list (dig "cluster" "keys" "" .Values.secretConfig) (dig "cluster" "keys_file" "" .Values.secretConfig)) }}
{{- if gt (len (compact $places)) 1 }}
{{- fail "keys of the cluster come from one place: clusterKeys.existingSecret, config.cluster.keys_file or secretConfig.cluster" }}
{{- end }}
{{- if compact $places }}true{{ end }}
{{- end }}

{{- define "sealgate.tlsSecret" -}}
{{- default (printf "%s-tls" (include "sealgate.fullname" .)) .Values.tls.existingSecret }}
{{- end }}

{{- define "sealgate.isSelfSigned" -}}
{{- if and .Values.tls.enabled (.Values.tls.selfSigned).enabled }}true{{ end }}
{{- end }}

{{/* The names of the Services, for certificates. */}}
{{- define "sealgate.tlsNames" -}}
{{- $name := include "sealgate.fullname" . }}
- {{ $name }}
- {{ $name }}.{{ .Release.Namespace }}.svc
- {{ $name }}-admin.{{ .Release.Namespace }}.svc
{{- if (.Values.headlessService).enabled }}
- {{ $name }}-pods.{{ .Release.Namespace }}.svc
{{- end }}
{{- end }}

{{/* What no container may do. */}}
{{- define "sealgate.restricted" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Makes the certificate of a pod: key and certificate lie where a Secret of type kubernetes.io/tls has them. */}}
{{- define "sealgate.selfSigned" -}}
- name: certificate
  image: {{ .Values.tls.selfSigned.image | quote }}
  command: [openssl]
  args:
    - req
    - -x509
    - -newkey
    - ec
    - -pkeyopt
    - ec_paramgen_curve:P-256
    - -noenc
    - -days
    - "365"
    - -subj
    - /CN={{ include "sealgate.fullname" . }}
    - -addext
    - subjectAltName=DNS:{{ include "sealgate.tlsNames" . | fromYamlArray | join ",DNS:" }}
    - -keyout
    - /opt/tls/tls.key
    - -out
    - /opt/tls/tls.crt
  resources:
    requests: { cpu: 10m, memory: 16Mi }
    limits: { memory: 64Mi }
  securityContext:
    {{- include "sealgate.restricted" . | nindent 4 }}
  volumeMounts:
    - { name: tls, mountPath: /opt/tls }
{{- end }}

{{- define "sealgate.scheme" -}}
{{- ternary "https" "http" .Values.tls.enabled }}
{{- end }}

{{- define "sealgate.isLocal" -}}
{{- if eq (dig "backend" "type" "local" .Values.config) "local" }}true{{ end }}
{{- end }}

{{/* application.json: the free map, and what the chart itself decides */}}
{{- define "sealgate.applicationJson" -}}
{{- $listen := dict "s3" "0.0.0.0:8000" "admin" "0.0.0.0:8001" }}
{{- if .Values.tls.enabled }}
{{- $tls := dict "cert" "/opt/tls/tls.crt" "key" "/opt/tls/tls.key" }}
{{- if .Values.tls.clientCertificates }}{{ $tls = merge $tls (dict "client_ca" "/opt/tls/ca.crt") }}{{ end }}
{{- $listen = merge $listen (dict "tls" $tls) }}
{{- else if .Values.tls.allowPlainHttp }}
{{- $listen = merge $listen (dict "allow_plain_http" true) }}
{{- end }}
{{- $limits := dict "drain_timeout" (printf "%ds" (int .Values.drainSeconds)) }}
{{- /* without the sleep of a preStop hook the gateway itself waits */}}
{{- if semverCompare "<1.30-0" .Capabilities.KubeVersion.Version }}
{{- $limits = merge $limits (dict "shutdown_delay" (printf "%ds" (int .Values.preStopSeconds))) }}
{{- end }}
{{- $chart := dict "listen" $listen "limits" $limits }}
{{- if (.Values.clusterKeys).existingSecret }}
{{- $chart = merge $chart (dict "cluster" (dict "keys_file" "/opt/cluster/keys")) }}
{{- end }}
{{- if include "sealgate.isLocal" . }}
{{- $chart = merge $chart (dict "backend" (dict "type" "local" "path" .Values.persistence.mountPath)) }}
{{- end }}
{{- $config := deepCopy .Values.config }}
{{- if include "sealgate.isLocal" . }}
{{- /* what the chart's own default says of an S3 store */}}
{{- $config = set $config "backend" (omit (default (dict) $config.backend) "endpoint" "region" "path_style") }}
{{- end }}
{{- $written := mergeOverwrite $chart $config }}
{{- /* Prometheus and others ask the admin port by the names of its Service */}}
{{- $hosts := dig "listen" "admin_hosts" list $written }}
{{- if .Values.adminService.enabled }}
{{- $service := printf "%s-admin.%s" (include "sealgate.fullname" .) .Release.Namespace }}
{{- $hosts = concat (list $service (printf "%s.svc" $service) (printf "%s.svc.cluster.local" $service)) $hosts | uniq }}
{{- end }}
{{- if $hosts }}{{ $_ := set $written.listen "admin_hosts" $hosts }}{{ end }}
{{- $written | toPrettyJson }}
{{- end }}

{{/* What counts after a restart only. */}}
{{- define "sealgate.restartChecksum" -}}
{{- $config := include "sealgate.applicationJson" . | fromJson }}
{{- $parts := pick $config "backend" "listen" "limits" "auth" "audit" "telemetry" "cluster" }}
{{- set $parts "mode" (dig "crypto" "mode" "" $config) | toJson | sha256sum }}
{{- end }}

{{/* How metrics are scraped: (list context monitor) */}}
{{- define "sealgate.endpoint" -}}
{{- $context := index . 0 }}
{{- $monitor := index . 1 }}
port: admin
path: /metrics
scheme: {{ include "sealgate.scheme" $context }}
interval: {{ $monitor.interval }}
scrapeTimeout: {{ $monitor.scrapeTimeout }}
{{- with $monitor.metricsSecret }}
{{- if .name }}
authorization:
  type: Bearer
  credentials:
    name: {{ .name }}
    key: {{ .key }}
{{- end }}
{{- end }}
{{- if $context.Values.tls.enabled }}
tlsConfig:
  {{- if $monitor.insecureSkipVerify }}
  insecureSkipVerify: true
  {{- else }}
  serverName: {{ include "sealgate.fullname" $context }}-admin.{{ $context.Release.Namespace }}.svc
  ca:
    secret:
      name: {{ include "sealgate.tlsSecret" $context }}
      key: ca.crt
  {{- end }}
{{- end }}
{{- with $monitor.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Tokens of the account for others than Kubernetes. */}}
{{- define "sealgate.tokens" -}}
{{- $tokens := .Values.serviceAccount.tokens }}
{{- if (.Values.webIdentity).roleArn }}
{{- $tokens = append $tokens (dict "audience" .Values.webIdentity.audience "file" "web-identity") }}
{{- end }}
{{- range $tokens }}
- serviceAccountToken:
    audience: {{ .audience | quote }}
    path: {{ .file | quote }}
    expirationSeconds: {{ default 3600 .expirationSeconds }}
{{- end }}
{{- end }}

{{- define "sealgate.resources" -}}
{{- if .Values.resources }}
{{- toYaml .Values.resources }}
{{- else }}
{{- $size := get (.Files.Get "files/sizing.yaml" | fromYaml) .Values.sizing.preset }}
requests:
  cpu: {{ $size.cpuRequest | quote }}
  memory: {{ $size.memoryRequest }}
limits:
  {{- with $size.cpuLimit }}
  cpu: {{ . | quote }}
  {{- end }}
  memory: {{ $size.memoryLimit }}
{{- end }}
{{- end }}

{{/* What cannot work is refused in plain words. */}}
{{- define "sealgate.checks" -}}
{{- $replicas := ternary (int .Values.autoscaling.maxReplicas) (int .Values.replicaCount) .Values.autoscaling.enabled }}
{{- if and (include "sealgate.isLocal" .) (gt $replicas 1) (not .Values.existingConfigMap) }}
{{- fail "config.backend.type local keeps objects in one pod: set replicaCount to 1 and autoscaling.enabled to false, or use an S3 store" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- $targets := dict "cpu" .Values.autoscaling.targetCPUUtilizationPercentage "memory" .Values.autoscaling.targetMemoryUtilizationPercentage }}
{{- range $name, $target := $targets }}
{{- if and $target $.Values.resources (not (dig "requests" $name (dig "limits" $name "" $.Values.resources) $.Values.resources)) }}
{{- fail (printf "autoscaling by %s needs resources.requests.%s" $name $name) }}
{{- end }}
{{- end }}
{{- if not (or $targets.cpu $targets.memory .Values.autoscaling.metrics) }}
{{- fail "autoscaling has nothing to go by: set a target or autoscaling.metrics" }}
{{- end }}
{{- end }}
{{- if and .Values.secretConfig .Values.existingSecret }}
{{- fail "set either existingSecret or secretConfig" }}
{{- end }}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) }}
{{- fail "tls.certManager.enabled needs tls.certManager.issuerRef.name" }}
{{- end }}
{{- if include "sealgate.isSelfSigned" . }}
{{- if or .Values.tls.existingSecret .Values.tls.certManager.enabled }}
{{- fail "set one of tls.selfSigned.enabled, tls.existingSecret and tls.certManager.enabled" }}
{{- end }}
{{- if .Values.tls.clientCertificates }}
{{- fail "tls.clientCertificates needs a Secret with the authorities: tls.selfSigned has none" }}
{{- end }}
{{- range $name := list "serviceMonitor" "podMonitor" }}
{{- $monitor := default (dict) (get $.Values $name) }}
{{- if and $monitor.enabled (not $monitor.insecureSkipVerify) }}
{{- fail (printf "nobody can verify the certificates of tls.selfSigned: set %s.insecureSkipVerify" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (.Values.podMonitor).enabled }}
{{- fail "serviceMonitor and podMonitor would have every pod scraped twice: enable one" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.adminService.enabled) }}
{{- fail "serviceMonitor finds pods by adminService.enabled: enable it, or podMonitor" }}
{{- end }}
{{- if contains "@" (default "" (.Values.proxy).https) }}
{{- fail "proxy.https has a password: put it into a Secret as HTTPS_PROXY, and name that in extraEnvFrom" }}
{{- end }}
{{- if not .Values.existingConfigMap }}
{{- include "sealgate.keyChecks" . }}
{{- end }}
{{- end }}

{{/* Where keys come from is said, and they are where secrets are. */}}
{{- define "sealgate.keyChecks" -}}
{{- $secret := .Values.secretConfig }}
{{- $mode := dig "crypto" "mode" (dig "crypto" "mode" "" .Values.config) $secret }}
{{- if not $mode }}
{{- fail "config.crypto.mode is missing: without it pods would generate seeds of their own, and lose them" }}
{{- end }}
{{- if and (ne $mode "single-key") (not .Values.existingSecret) (not $secret) }}
{{- fail (printf "config.crypto.mode %s needs a Secret with keys and credentials: kubectl -n %s create secret generic NAME --from-file=application.json=secret.json, then set existingSecret to NAME (for tests: secretConfig)" $mode .Release.Namespace) }}
{{- end }}
{{- range $of, $field := dict "single-key" "key_seed" "local-multi-keys" "tenant_keys" }}
{{- if and $secret (eq $mode $of) (not (dig "crypto" $field "" $secret)) }}
{{- fail (printf "secretConfig.crypto.%s is missing: %s takes its keys from there" $field $mode) }}
{{- end }}
{{- end }}
{{- if and (eq $mode "local-multi-keys") (dig "crypto" "tenant_keys" "" .Values.config) }}
{{- fail "config.crypto.tenant_keys are secrets: put them into the Secret" }}
{{- end }}
{{- if dig "crypto" "key_seed" "" .Values.config }}
{{- fail "config.crypto.key_seed is a secret: put it into the Secret" }}
{{- end }}
{{- if dig "cluster" "keys" "" .Values.config }}
{{- fail "config.cluster.keys are secrets: put them into the Secret" }}
{{- end }}
{{- $isLocal := eq (dig "backend" "type" (dig "backend" "type" "local" .Values.config) $secret) "local" }}
{{- if not (or (include "sealgate.hasClusterKeys" .) .Values.existingSecret (not $secret) $isLocal) }}
{{- fail (printf "an S3 store needs keys of the cluster, one list for all pods: sealgate keygen --cluster > cluster-keys; kubectl -n %s create secret generic NAME --from-file=cluster-keys; then set clusterKeys.existingSecret to NAME (for tests: secretConfig.cluster.keys)" .Release.Namespace) }}
{{- end }}
{{- end }}

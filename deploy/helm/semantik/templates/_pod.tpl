{{/* What all objects and all pods of the chart have in common. */}}

{{- define "semantik.name" -}}
{{- if contains "semantik" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-semantik" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Called with a dict: root, part. */}}
{{- define "semantik.selector" -}}
app.kubernetes.io/name: semantik
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "semantik.labels" -}}
{{ include "semantik.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Each pod writes its data and its scratch, and nothing else. No service links: they would put SEMANTIK_..._PORT variables into
     the environment, and an unknown SEMANTIK_ variable is an error. */}}
{{- define "semantik.pod" -}}
enableServiceLinks: false
automountServiceAccountToken: false
{{- with .root.Values.serviceAccount }}
serviceAccountName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  # A large claim would be walked at each start otherwise.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: data
    {{- if and .data .root.Values.data.existingClaim }}
    persistentVolumeClaim: {claimName: {{ .root.Values.data.existingClaim }}}
    {{- else if and .data (not .root.Values.settings.SEMANTIK_BLOBS_URL) }}
    persistentVolumeClaim: {claimName: {{ include "semantik.name" .root }}-data}
    {{- else }}
    emptyDir: {}
    {{- end }}
  - name: scratch
    emptyDir: {sizeLimit: {{ .root.Values.scratch.size }}}
{{- end }}

{{/* Called with a dict: root, args, metrics (whether it serves what it counts), resources. */}}
{{- define "semantik.container" -}}
image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .args }}
envFrom:
  - secretRef: {name: {{ .root.Values.existingSecret }}}
env:
  {{- range $name, $value := .root.Values.settings }}
  {{- /* Helm reads each number as a float, and would write 1073741824 as 1.073741824e+09. */}}
  {{- if kindIs "float64" $value }}{{ if eq $value (floor $value) }}{{ $value = int64 $value }}{{ end }}{{ end }}
  - {name: {{ $name }}, value: {{ $value | toString | quote }}}
  {{- end }}
  {{- if .metrics }}
  - {name: SEMANTIK_WORKER_METRICS_PORT, value: "9100"}
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: scratch, mountPath: /tmp}
resources: {{ toYaml .resources | nindent 2 }}
{{- end }}

// Package v1 is HoldfastArgs as it stands in a file, under pluginConfig of the
// scheduler's configuration:
//
//	pluginConfig:
//	- name: Holdfast
//	  args:
//	    apiVersion: holdfast.dev/v1
//	    kind: HoldfastArgs
//	    bindOrder: OrdinalReady
//
// +k8s:deepcopy-gen=package
// +k8s:conversion-gen=github.com/holdfast-dev/holdfast/pkg/apis/config
// +k8s:defaulter-gen=TypeMeta
// +groupName=holdfast.dev
package v1

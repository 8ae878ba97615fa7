// Package v1alpha1 is the API of Holdfast: the Tenancy, the durable record of
// the latest incarnation of a StatefulSet's ordinal and of whether it is proven
// over.
//
// +k8s:deepcopy-gen=package
// +groupName=holdfast.dev
package v1alpha1

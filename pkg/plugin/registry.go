package plugin

import (
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	plfeature "k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/holdfast-dev/holdfast/pkg/plugin/limits"
)

// Registry has every plugin that a profile with Holdfast needs beside upstream's. Make
// it when the feature gates are set. Defences given in without are switched off.
func Registry(shared *Shared, without ...Defence) frameworkruntime.Registry {
	features := plfeature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)
	return frameworkruntime.Registry{
		Name:        Factory(shared, without...),
		limits.Name: frameworkruntime.FactoryAdapter(features, limits.New),
	}
}

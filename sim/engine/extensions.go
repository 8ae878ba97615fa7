package engine

import (
	"context"

	"go.opentelemetry.io/otel/trace/noop"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	apiextensionsapiserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	apiextensionsoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/informers"

	"github.com/holdfast-dev/holdfast/manifests/crd"
)

// newExtensions is the server of custom resources, as CreateAPIExtensionsConfig
// makes it (k8s.io/kubernetes pkg/controlplane/apiserver/apiextensions.go). The
// arguments are copies: both servers change theirs.
func newExtensions(generic genericapiserver.Config, storage options.EtcdOptions, shared informers.SharedInformerFactory) (*apiextensionsapiserver.CustomResourceDefinitions, error) {
	generic.PostStartHooks = map[string]genericapiserver.PostStartHookConfigEntry{}
	generic.RESTOptionsGetter = nil
	storage.StorageConfig.Codec = apiextensionsapiserver.Codecs.LegacyCodec(apiextensionsv1beta1.SchemeGroupVersion, apiextensionsv1.SchemeGroupVersion)
	storage.StorageConfig.EncodeVersioner = runtime.NewMultiGroupVersioner(
		apiextensionsv1beta1.SchemeGroupVersion, schema.GroupKind{Group: apiextensionsv1beta1.GroupName})
	storage.SkipHealthEndpoints = true
	if err := storage.ApplyTo(&generic); err != nil {
		return nil, err
	}
	generic.MergedResourceConfig = apiextensionsapiserver.DefaultAPIResourceConfigSource()
	config := &apiextensionsapiserver.Config{
		GenericConfig: &genericapiserver.RecommendedConfig{Config: generic, SharedInformerFactory: shared},
		ExtraConfig: apiextensionsapiserver.ExtraConfig{
			CRDRESTOptionsGetter: apiextensionsoptions.NewCRDRESTOptionsGetter(storage, generic.ResourceTransformers, generic.StorageObjectCountTracker),
			MasterCount:          1,
			AuthResolverWrapper:  webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, generic.LoopbackClientConfig, noop.NewTracerProvider()),
			ServiceResolver:      webhook.NewDefaultServiceResolver(),
		},
	}
	// ApplyTo above registered a hook that the delegating server registers too.
	config.GenericConfig.PostStartHooks = map[string]genericapiserver.PostStartHookConfigEntry{}
	return config.Complete().New(genericapiserver.NewEmptyDelegate())
}

// InstallCRD creates a custom resource definition and returns once it is served.
func (a *APIServer) InstallCRD(ctx context.Context, definition *apiextensionsv1.CustomResourceDefinition) error {
	return crd.Install(ctx, a.JSONConfig("crd-installer"), definition)
}

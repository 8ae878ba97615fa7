// Package scheme reads HoldfastArgs out of a scheduler's configuration: strictly,
// with defaults, checked.
package scheme

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	configv1 "github.com/holdfast-dev/holdfast/pkg/apis/config/v1"
	"github.com/holdfast-dev/holdfast/pkg/apis/config/validation"
)

var (
	// Scheme has the internal version and those of files.
	Scheme = runtime.NewScheme()
	// Codecs refuse fields that they do not know, and fields that stand twice.
	Codecs = serializer.NewCodecFactory(Scheme, serializer.EnableStrict)
)

func init() {
	utilruntime.Must(config.AddToScheme(Scheme))
	utilruntime.Must(configv1.AddToScheme(Scheme))
	utilruntime.Must(Scheme.SetVersionPriority(configv1.SchemeGroupVersion))
}

// Default returns the args of a profile that says nothing.
func Default() *config.HoldfastArgs {
	args, err := Decode([]byte("{}"))
	utilruntime.Must(err)
	return args
}

// Decode reads args from YAML or JSON. Without apiVersion and kind they are taken for
// the newest version. The error names the field.
func Decode(data []byte) (*config.HoldfastArgs, error) {
	gvk := configv1.SchemeGroupVersion.WithKind("HoldfastArgs")
	obj, _, err := Codecs.UniversalDecoder(config.SchemeGroupVersion).Decode(data, &gvk, nil)
	if err != nil {
		return nil, err
	}
	args, ok := obj.(*config.HoldfastArgs)
	if !ok {
		return nil, fmt.Errorf("is a %T and no HoldfastArgs", obj)
	}
	if errs := validation.ValidateHoldfastArgs(nil, args); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	return args, nil
}

// Of returns the args as a plugin's factory is given them: decoded already, as the
// file had them, or none.
func Of(obj runtime.Object) (*config.HoldfastArgs, error) {
	switch obj := obj.(type) {
	case nil:
		return Default(), nil
	case *config.HoldfastArgs:
		return obj, validation.ValidateHoldfastArgs(nil, obj).ToAggregate()
	case *runtime.Unknown:
		args, err := Decode(obj.Raw)
		if err != nil {
			return nil, fmt.Errorf("HoldfastArgs: %w", err)
		}
		return args, nil
	default:
		return nil, fmt.Errorf("HoldfastArgs: are a %T", obj)
	}
}

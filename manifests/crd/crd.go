// Package crd carries the manifests of Holdfast's custom resources, so that a
// program or a test can install the very ones that the release ships.
package crd

import (
	_ "embed"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

//go:embed holdfast.dev_tenancies.yaml
var tenancies []byte

// Tenancies returns the custom resource definition of Tenancy. Every call returns
// a copy of its own. A field that this version of Kubernetes does not know is an
// error: dropped silently, it could be the one that validates something.
func Tenancies() (*apiextensionsv1.CustomResourceDefinition, error) {
	var out apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(tenancies, &out); err != nil {
		return nil, fmt.Errorf("manifest holdfast.dev_tenancies.yaml: %w", err)
	}
	return &out, nil
}

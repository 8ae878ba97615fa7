// Package crd carries the manifests of Holdfast's custom resources, so that a
// program or a test can install the very ones that the release ships.
package crd

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
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

// Install creates a custom resource definition and returns once it is served.
func Install(ctx context.Context, config *rest.Config, definition *apiextensionsv1.CustomResourceDefinition) error {
	client, err := clientset.NewForConfig(config)
	if err != nil {
		return err
	}
	definitions := client.ApiextensionsV1().CustomResourceDefinitions()
	if _, err := definitions.Create(ctx, definition, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("CRD %s: %w", definition.Name, err)
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		current, err := definitions.Get(ctx, definition.Name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, c := range current.Status.Conditions {
			if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("CRD %s is not established: %w", definition.Name, err)
	}
	return nil
}

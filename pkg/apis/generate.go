// Package apis holds the API types of Holdfast, one folder for each group, and
// generates what follows from them: deep copies, clients and the manifests of
// the custom resources.
//
// Run go generate ./pkg/apis/... after every change of a type. It needs no
// network and no tool but those of go.mod, and running it twice changes nothing.
package apis

// The order matters: clients, listers and informers compile only with the deep
// copies in place, and informers name the clientset and the listers.

//go:generate go tool deepcopy-gen --go-header-file boilerplate.go.txt --output-file zz_generated.deepcopy.go ./holdfast/v1alpha1
//go:generate go tool deepcopy-gen --go-header-file boilerplate.go.txt --output-file zz_generated.deepcopy.go ./config ./config/v1
//go:generate go tool defaulter-gen --go-header-file boilerplate.go.txt --output-file zz_generated.defaults.go ./config/v1
//go:generate go tool conversion-gen --go-header-file boilerplate.go.txt --output-file zz_generated.conversion.go ./config/v1
//go:generate go tool client-gen --go-header-file boilerplate.go.txt --clientset-name versioned --input-base github.com/holdfast-dev/holdfast/pkg/apis --input holdfast/v1alpha1 --output-dir ../client/clientset --output-pkg github.com/holdfast-dev/holdfast/pkg/client/clientset
//go:generate go tool lister-gen --go-header-file boilerplate.go.txt --output-dir ../client/listers --output-pkg github.com/holdfast-dev/holdfast/pkg/client/listers ./holdfast/v1alpha1
//go:generate go tool informer-gen --go-header-file boilerplate.go.txt --versioned-clientset-package github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned --listers-package github.com/holdfast-dev/holdfast/pkg/client/listers --output-dir ../client/informers --output-pkg github.com/holdfast-dev/holdfast/pkg/client/informers ./holdfast/v1alpha1
//go:generate go tool controller-gen crd paths=./holdfast/... output:crd:dir=../../manifests/crd

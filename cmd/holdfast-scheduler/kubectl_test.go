package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubectlPath builds kubectl, of the Kubernetes in go.mod, and returns where it is:
// in Go's build cache, so that it is linked once and not once per test.
var kubectlPath = sync.OnceValues(func() (string, error) {
	var stderr bytes.Buffer
	tool := exec.Command("go", "tool", "-n", "kubectl")
	tool.Stderr = &stderr
	out, err := tool.Output()
	if err != nil {
		return "", fmt.Errorf("go tool -n kubectl: %w\n%s", err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
})

// kubectl is the operator's, with all rights.
type kubectl struct {
	path string
	// home has the kubeconfig, and what kubectl remembers of the API.
	home string
}

func newKubectl(t *testing.T, a *apiServer) *kubectl {
	t.Helper()
	path, err := kubectlPath()
	if err != nil {
		t.Fatal(err)
	}
	k := &kubectl{path: path, home: t.TempDir()}
	writeKubeconfig(t, k.kubeconfig(), &clientcmdapi.Cluster{
		Server: a.address, CertificateAuthorityData: a.admin.CAData, TLSServerName: a.admin.ServerName,
	}, &clientcmdapi.AuthInfo{Token: a.admin.BearerToken})
	until(t, "the API server has made the namespace kube-system", func(context.Context) error {
		_, err := k.try(t, "get", "namespace", metav1.NamespaceSystem)
		return err
	})
	return k
}

func (k *kubectl) kubeconfig() string { return filepath.Join(k.home, "kubeconfig") }

// try runs kubectl in the root of the repository and returns its output, or an
// error with what it complained of.
func (k *kubectl) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), k.path, args...)
	command.Dir = "../.."
	// It needs diff, and nothing else of the machine.
	command.Env = []string{"HOME=" + k.home, "KUBECONFIG=" + k.kubeconfig(), "PATH=/usr/bin:/bin"}
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out), nil
}

// run is try for what must succeed.
func (k *kubectl) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := k.try(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// writeKubeconfig writes a kubeconfig of one cluster and one user.
func writeKubeconfig(t *testing.T, path string, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) {
	t.Helper()
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": cluster},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"test": user},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
}

package profiles

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned"
	holdfastclient "github.com/holdfast-dev/holdfast/pkg/client/clientset/versioned/typed/holdfast/v1alpha1"
)

// answers has what binding a pod asks of the API server answered from maps, for both
// profiles alike. client-go's fakes copy each object several times and keep every
// request, which costs more than a whole scheduling cycle of Holdfast's: they would
// be most of what is measured. Everything else goes to the fakes.
type answers struct {
	pods  map[string]*v1.Pod
	nodes map[string]*v1.Node
	// bound counts the binds.
	bound atomic.Int64

	mu      sync.Mutex
	records map[string]*v1alpha1.Tenancy
}

func newAnswers(objects []runtime.Object) *answers {
	a := &answers{pods: map[string]*v1.Pod{}, nodes: map[string]*v1.Node{}, records: map[string]*v1alpha1.Tenancy{}}
	for _, o := range objects {
		switch o := o.(type) {
		case *v1.Pod:
			a.pods[o.Namespace+"/"+o.Name] = o
		case *v1.Node:
			a.nodes[o.Name] = o
		}
	}
	return a
}

func (a *answers) kubernetes(rest kubernetes.Interface) kubernetes.Interface {
	return kubeAnswers{rest, a}
}

func (a *answers) tenancies() versioned.Interface { return recordAnswers{answers: a} }

type kubeAnswers struct {
	kubernetes.Interface
	answers *answers
}

// IsWatchListSemanticsUnSupported has informers list what there is: the fake would push it
// through a channel that holds 100 objects.
func (kubeAnswers) IsWatchListSemanticsUnSupported() bool { return true }

func (k kubeAnswers) CoreV1() corev1.CoreV1Interface {
	return coreAnswers{k.Interface.CoreV1(), k.answers}
}

type coreAnswers struct {
	corev1.CoreV1Interface
	answers *answers
}

func (c coreAnswers) Pods(namespace string) corev1.PodInterface {
	return podAnswers{c.CoreV1Interface.Pods(namespace), c.answers, namespace}
}

func (c coreAnswers) Nodes() corev1.NodeInterface {
	return nodeAnswers{c.CoreV1Interface.Nodes(), c.answers}
}

type podAnswers struct {
	corev1.PodInterface
	answers   *answers
	namespace string
}

func (p podAnswers) Get(_ context.Context, name string, _ metav1.GetOptions) (*v1.Pod, error) {
	if pod, ok := p.answers.pods[p.namespace+"/"+name]; ok {
		return pod, nil
	}
	return nil, apierrors.NewNotFound(v1.Resource("pods"), name)
}

// Patch changes nothing: it is the finalizer's, or a condition, and no one reads either.
func (p podAnswers) Patch(ctx context.Context, name string, _ types.PatchType, _ []byte, _ metav1.PatchOptions, _ ...string) (*v1.Pod, error) {
	return p.Get(ctx, name, metav1.GetOptions{})
}

func (p podAnswers) Bind(context.Context, *v1.Binding, metav1.CreateOptions) error {
	p.answers.bound.Add(1)
	return nil
}

type nodeAnswers struct {
	corev1.NodeInterface
	answers *answers
}

func (n nodeAnswers) Get(_ context.Context, name string, _ metav1.GetOptions) (*v1.Node, error) {
	if node, ok := n.answers.nodes[name]; ok {
		return node, nil
	}
	return nil, apierrors.NewNotFound(v1.Resource("nodes"), name)
}

type recordAnswers struct {
	versioned.Interface
	answers *answers
}

func (r recordAnswers) HoldfastV1alpha1() holdfastclient.HoldfastV1alpha1Interface {
	return tenancyAnswers{answers: r.answers}
}

type tenancyAnswers struct {
	holdfastclient.HoldfastV1alpha1Interface
	holdfastclient.TenancyInterface
	answers   *answers
	namespace string
}

func (t tenancyAnswers) Tenancies(namespace string) holdfastclient.TenancyInterface {
	t.namespace = namespace
	return t
}

func (t tenancyAnswers) Get(_ context.Context, name string, _ metav1.GetOptions) (*v1alpha1.Tenancy, error) {
	t.answers.mu.Lock()
	defer t.answers.mu.Unlock()
	if record, ok := t.answers.records[t.namespace+"/"+name]; ok {
		return record, nil
	}
	return nil, apierrors.NewNotFound(v1alpha1.Resource("tenancies"), name)
}

func (t tenancyAnswers) Create(ctx context.Context, record *v1alpha1.Tenancy, _ metav1.CreateOptions) (*v1alpha1.Tenancy, error) {
	made := *record
	made.Status = v1alpha1.TenancyStatus{}
	return t.UpdateStatus(ctx, &made, metav1.UpdateOptions{})
}

// UpdateStatus keeps the record as a new version. Nobody writes it besides.
func (t tenancyAnswers) UpdateStatus(_ context.Context, record *v1alpha1.Tenancy, _ metav1.UpdateOptions) (*v1alpha1.Tenancy, error) {
	t.answers.mu.Lock()
	defer t.answers.mu.Unlock()
	version, _ := strconv.Atoi(record.ResourceVersion)
	kept := *record
	kept.ResourceVersion = strconv.Itoa(version + 1)
	t.answers.records[t.namespace+"/"+record.Name] = &kept
	return &kept, nil
}

package snapshot

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	holdfastv1alpha1 "github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// Kind is a kind of object that is part of a cluster.
type Kind struct {
	schema.GroupVersionKind
	// Resource is the plural name.
	Resource string
	// Namespaced: its objects have a namespace.
	Namespaced bool
	// Section is its key in a kube-scheduler-simulator export; empty: it has none.
	Section string
}

// Kinds are those that a cluster is made of: what decides where a pod can run, what
// its volumes are, and who makes it anew. They stand in the order in which one
// needs the other. All others are left out of a cluster: what they do is nothing to
// the simulator, and Secrets are nobody's business.
var Kinds = []Kind{
	{corev1.SchemeGroupVersion.WithKind("Namespace"), "namespaces", false, "namespaces"},
	{schedulingv1.SchemeGroupVersion.WithKind("PriorityClass"), "priorityclasses", false, "priorityClasses"},
	{nodev1.SchemeGroupVersion.WithKind("RuntimeClass"), "runtimeclasses", false, ""},
	{storagev1.SchemeGroupVersion.WithKind("StorageClass"), "storageclasses", false, "storageClasses"},
	{storagev1.SchemeGroupVersion.WithKind("CSIDriver"), "csidrivers", false, ""},
	{storagev1.SchemeGroupVersion.WithKind("CSIStorageCapacity"), "csistoragecapacities", true, ""},
	{corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), "persistentvolumeclaims", true, "pvcs"},
	{corev1.SchemeGroupVersion.WithKind("PersistentVolume"), "persistentvolumes", false, "pvs"},
	{corev1.SchemeGroupVersion.WithKind("Node"), "nodes", false, "nodes"},
	{storagev1.SchemeGroupVersion.WithKind("CSINode"), "csinodes", false, ""},
	{corev1.SchemeGroupVersion.WithKind("Service"), "services", true, ""},
	{policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"), "poddisruptionbudgets", true, ""},
	{appsv1.SchemeGroupVersion.WithKind("StatefulSet"), "statefulsets", true, ""},
	{appsv1.SchemeGroupVersion.WithKind("ControllerRevision"), "controllerrevisions", true, ""},
	{appsv1.SchemeGroupVersion.WithKind("Deployment"), "deployments", true, ""},
	{appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), "replicasets", true, ""},
	{appsv1.SchemeGroupVersion.WithKind("DaemonSet"), "daemonsets", true, ""},
	{batchv1.SchemeGroupVersion.WithKind("Job"), "jobs", true, ""},
	{batchv1.SchemeGroupVersion.WithKind("CronJob"), "cronjobs", true, ""},
	{corev1.SchemeGroupVersion.WithKind("ReplicationController"), "replicationcontrollers", true, ""},
	{corev1.SchemeGroupVersion.WithKind("Pod"), "pods", true, "pods"},
	{storagev1.SchemeGroupVersion.WithKind("VolumeAttachment"), "volumeattachments", false, ""},
	{holdfastv1alpha1.SchemeGroupVersion.WithKind("Tenancy"), "tenancies", true, ""},
}

// kindOf finds a kind by its group and name.
func kindOf(gk schema.GroupKind) (Kind, bool) {
	for _, k := range Kinds {
		if k.GroupKind() == gk {
			return k, true
		}
	}
	return Kind{}, false
}

// scheme has the Go types of all kinds.
var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientscheme.AddToScheme(s))
	utilruntime.Must(holdfastv1alpha1.AddToScheme(s))
	return s
}()

// strict reads objects, and says of fields that their Go types do not have.
var strict = serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()

// New returns an empty object of a kind.
func New(k Kind) (Object, error) {
	o, err := scheme.New(k.GroupVersionKind)
	if err != nil {
		return nil, err
	}
	return o.(Object), nil
}

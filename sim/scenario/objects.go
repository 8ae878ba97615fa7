package scenario

import (
	"fmt"
	"path/filepath"
	"reflect"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// Decode returns the Kubernetes objects of the scenario, in their order; a file of
// several stands for all of them. Each call returns objects of its own, so that
// every run may write to its.
//
// Any kind that client-go knows is allowed. Reading is as strict as that of the
// scenario itself. A namespaced object without a namespace is in default. An
// object that chooses its scheduler is an error, for the engine does that per run.
// What is wrong is a *FileError.
func (s *Scenario) Decode() ([]runtime.Object, error) {
	objects, problems := s.decode(func(string) int { return 1 })
	if err := fileError(s.file, problems); err != nil {
		return nil, err
	}
	return objects, nil
}

// DecodeObject is Decode of what one apply step has.
func (s *Scenario) DecodeObject(o *Object) ([]runtime.Object, error) {
	set := objectSet{seen: map[string]string{}}
	set.addObject(s.file, o, field.NewPath("apply"), func(string) int { return 1 })
	if err := fileError(s.file, set.problems); err != nil {
		return nil, err
	}
	return set.objects, nil
}

// decode is Decode with all problems. line says where a field of the scenario
// file stands.
func (s *Scenario) decode(line func(path string) int) ([]runtime.Object, []Problem) {
	set := objectSet{seen: map[string]string{}}
	for i := range s.Objects {
		set.addObject(s.file, &s.Objects[i], objectPath(i), line)
	}
	if len(set.objects) > ObjectsMax {
		set.problems = append(set.problems, Problem{
			File: s.file, Line: line("objects"), Field: "objects",
			Message: fmt.Sprintf("want at most %d objects, got %d", ObjectsMax, len(set.objects)),
		})
	}
	return set.objects, set.problems
}

// decodeApplies finds what is wrong with the objects of apply steps.
func (s *Scenario) decodeApplies(line func(path string) int) []Problem {
	var problems []Problem
	for _, a := range s.applies() {
		set := objectSet{seen: map[string]string{}}
		set.addObject(s.file, a.object, a.path, line)
		problems = append(problems, set.problems...)
	}
	return problems
}

// objectSet collects the objects of a scenario.
type objectSet struct {
	objects []runtime.Object
	// seen says where each object stands.
	seen     map[string]string
	problems []Problem
}

// addObject adds an object of the scenario file, which stands at the path p of it.
func (s *objectSet) addObject(file string, o *Object, p *field.Path, line func(path string) int) {
	switch {
	case o.Manifest != nil:
		d := newDecoder(file, false)
		p := p.Child("manifest")
		root := o.node
		if root == nil {
			documents, problem := parseYAML(file, o.Manifest.Raw)
			if problem != nil || len(documents) != 1 {
				d.problem(line(pathString(p)), p, "want one Kubernetes object")
				s.problems = append(s.problems, d.problems...)
				return
			}
			root = documents[0]
		}
		s.add(d, root, p)
	case o.File != "":
		if problem := s.addFile(filepath.Join(filepath.Dir(file), o.File)); problem != "" {
			path := pathString(p.Child("file"))
			s.problems = append(s.problems, Problem{File: file, Line: line(path), Field: path, Message: problem})
		}
	}
}

// addFile adds every document of a file of manifests. It returns why the file
// itself cannot be used; what is wrong in it stands in problems.
func (s *objectSet) addFile(path string) string {
	data, err := snapshot.ReadFile(path, FileBytesMax)
	if err != nil {
		return err.Error()
	}
	documents, problem := parseYAML(path, data)
	if problem != nil {
		s.problems = append(s.problems, *problem)
		return ""
	}
	if len(documents) == 0 {
		return fmt.Sprintf("file %s: no Kubernetes object in it", path)
	}
	for _, document := range documents {
		s.add(newDecoder(path, false), document, nil)
	}
	return ""
}

// add reads one object at the path p of its file.
func (s *objectSet) add(d *decoder, n *yaml.Node, p *field.Path) {
	if object := d.object(n, p); object != nil {
		key, where := objectKey(object), fmt.Sprintf("%s:%d", d.file, n.Line)
		if first, ok := s.seen[key]; ok {
			d.problem(n.Line, p, "%s stands in %s too", key, first)
		}
		s.seen[key] = where
		s.objects = append(s.objects, object)
	}
	s.problems = append(s.problems, d.problems...)
}

// objectKey names an object as the API server tells it from others.
func objectKey(object runtime.Object) string {
	accessor, kind := object.(metav1.Object), object.GetObjectKind().GroupVersionKind().GroupKind()
	if accessor.GetNamespace() == "" {
		return kind.String() + " " + accessor.GetName()
	}
	return kind.String() + " " + accessor.GetNamespace() + "/" + accessor.GetName()
}

// object reads a manifest by the Go type of its kind, and sets its namespace. It
// is nil if the manifest has no usable kind.
func (d *decoder) object(n *yaml.Node, p *field.Path) runtime.Object {
	var kind struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
	}
	if n.Kind != yaml.MappingNode {
		d.problem(n.Line, p, "want a Kubernetes object, got %s", describeNode(n))
		return nil
	}
	if err := n.Decode(&kind); err != nil || kind.APIVersion == "" || kind.Kind == "" {
		d.problem(n.Line, p, "want a Kubernetes object, with apiVersion and kind")
		return nil
	}
	gvk := schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind)
	object, err := scheme.Scheme.New(gvk)
	if err != nil {
		d.problem(n.Line, p, "kind %s of %s is not known", kind.Kind, kind.APIVersion)
		return nil
	}
	accessor, ok := object.(metav1.Object)
	if !ok || meta.IsListType(object) {
		d.problem(n.Line, p, "kind %s of %s is not an object that can be created", kind.Kind, kind.APIVersion)
		return nil
	}
	d.value(n, p, reflect.ValueOf(object).Elem())
	d.metadata(accessor, kind.Kind, p.Child("metadata"))
	d.scheduler(object, gvk, p)
	return object
}

// metadata checks what the engine needs of it, and sets the namespace.
func (d *decoder) metadata(object metav1.Object, kind string, p *field.Path) {
	if name := p.Child("name"); object.GetName() == "" {
		d.problem(d.line(pathString(name)), name, "Required value")
	}
	namespace := p.Child("namespace")
	switch {
	case !clusterScoped.Has(kind) && object.GetNamespace() == "":
		object.SetNamespace(metav1.NamespaceDefault)
	case clusterScoped.Has(kind) && object.GetNamespace() != "":
		d.problem(d.line(pathString(namespace)), namespace, "objects of kind %s have no namespace", kind)
	}
}

// scheduler refuses an object that chooses its scheduler, or that makes pods in a
// way in which it could not be chosen.
func (d *decoder) scheduler(object runtime.Object, gvk schema.GroupVersionKind, p *field.Path) {
	spec, path := podSpec(object)
	if spec == nil {
		if version := p.Child("apiVersion"); podMakers.Has(gvk.Kind) {
			d.problem(d.line(pathString(version)), version, "kind %s of %s is no longer served", gvk.Kind, gvk.GroupVersion())
		}
		return
	}
	if spec.SchedulerName != "" {
		name := p.Child(path[0], append(path[1:], "schedulerName")...)
		d.problem(d.line(pathString(name)), name, "the engine sets it per run")
	}
}

// podMakers are the kinds that podSpec knows.
var podMakers = sets.New("Pod", "StatefulSet", "Deployment", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")

// podSpec finds the pod's specification in an object that is a pod or makes pods,
// and its path; nil if there is none.
func podSpec(object runtime.Object) (*corev1.PodSpec, []string) {
	inTemplate := []string{"spec", "template", "spec"}
	switch o := object.(type) {
	case *corev1.Pod:
		return &o.Spec, []string{"spec"}
	case *appsv1.StatefulSet:
		return &o.Spec.Template.Spec, inTemplate
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec, inTemplate
	case *appsv1.DaemonSet:
		return &o.Spec.Template.Spec, inTemplate
	case *appsv1.ReplicaSet:
		return &o.Spec.Template.Spec, inTemplate
	case *batchv1.Job:
		return &o.Spec.Template.Spec, inTemplate
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template.Spec, []string{"spec", "jobTemplate", "spec", "template", "spec"}
	case *corev1.ReplicationController:
		if o.Spec.Template != nil {
			return &o.Spec.Template.Spec, inTemplate
		}
		return &corev1.PodSpec{}, inTemplate // It makes no pods, but it is a kind that is served.
	}
	return nil, nil
}

// SetSchedulerName gives the pods of an object to a scheduler: a Pod, StatefulSet,
// Deployment, DaemonSet, ReplicaSet, ReplicationController, Job or CronJob. Any
// other object is left as it is.
func SetSchedulerName(object runtime.Object, name string) {
	if spec, _ := podSpec(object); spec != nil {
		spec.SchedulerName = name
	}
}

// clusterScoped are the kinds without a namespace, of those that client-go knows:
// upstream's types say so only in comments, and a test compares.
var clusterScoped = sets.New(
	"CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "ClusterTrustBundle",
	"ComponentStatus", "DeviceClass", "DeviceTaintRule", "FlowSchema", "IPAddress", "ImageReview", "IngressClass",
	"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "Node",
	"PersistentVolume", "PriorityClass", "PriorityLevelConfiguration", "ResourcePoolStatusRequest", "ResourceSlice",
	"RuntimeClass", "SelfSubjectAccessReview", "SelfSubjectReview", "SelfSubjectRulesReview", "ServiceCIDR",
	"StorageClass", "StorageVersion", "StorageVersionMigration", "SubjectAccessReview", "TokenReview",
	"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
	"VolumeAttachment", "VolumeAttributesClass",
)

package guard

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// trimPod keeps of a pod what the guard reads, so that a cache of all pods of a
// cluster stays small. It must keep everything that fence.FactsOf looks at: the
// final object of a DELETED event has been through here.
func trimPod(obj any) (any, error) {
	pod, ok := obj.(*v1.Pod)
	if !ok {
		return obj, nil // a tombstone, whose object was trimmed when it came in
	}
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:                  pod.Namespace,
			Name:                       pod.Name,
			UID:                        pod.UID,
			ResourceVersion:            pod.ResourceVersion,
			Generation:                 pod.Generation,
			CreationTimestamp:          pod.CreationTimestamp,
			DeletionTimestamp:          pod.DeletionTimestamp,
			DeletionGracePeriodSeconds: pod.DeletionGracePeriodSeconds,
			OwnerReferences:            pod.OwnerReferences,
			Annotations:                protectAnnotation(pod),
			Finalizers:                 pod.Finalizers,
			ManagedFields:              statusFields(pod.ManagedFields),
		},
		Spec: v1.PodSpec{
			NodeName:            pod.Spec.NodeName,
			SchedulerName:       pod.Spec.SchedulerName,
			Volumes:             claimVolumes(pod.Spec.Volumes),
			InitContainers:      trimContainers(pod.Spec.InitContainers),
			Containers:          trimContainers(pod.Spec.Containers),
			EphemeralContainers: trimEphemeral(pod.Spec.EphemeralContainers),
		},
		Status: pod.Status,
	}, nil
}

// protectAnnotation keeps the annotation that says whether the pod is to be guarded.
func protectAnnotation(pod *v1.Pod) map[string]string {
	word, annotated := pod.Annotations[v1alpha1.ProtectAnnotation]
	if !annotated {
		return nil
	}
	return map[string]string{v1alpha1.ProtectAnnotation: word}
}

// statusFields keeps who wrote the status: it is what tells a kubelet's word from
// anybody else's.
func statusFields(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	var kept []metav1.ManagedFieldsEntry
	for _, e := range entries {
		if e.Subresource == "status" {
			kept = append(kept, e)
		}
	}
	return kept
}

func trimContainers(containers []v1.Container) []v1.Container {
	kept := make([]v1.Container, len(containers))
	for i, c := range containers {
		kept[i] = v1.Container{Name: c.Name, RestartPolicy: c.RestartPolicy}
	}
	return kept
}

func trimEphemeral(containers []v1.EphemeralContainer) []v1.EphemeralContainer {
	kept := make([]v1.EphemeralContainer, len(containers))
	for i, c := range containers {
		kept[i] = v1.EphemeralContainer{EphemeralContainerCommon: v1.EphemeralContainerCommon{Name: c.Name}}
	}
	return kept
}

func claimVolumes(volumes []v1.Volume) []v1.Volume {
	var kept []v1.Volume
	for _, v := range volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			kept = append(kept, v1.Volume{Name: v.Name, VolumeSource: v1.VolumeSource{PersistentVolumeClaim: v.PersistentVolumeClaim}})
		case v.Ephemeral != nil:
			kept = append(kept, v1.Volume{Name: v.Name, VolumeSource: v1.VolumeSource{Ephemeral: &v1.EphemeralVolumeSource{}}})
		}
	}
	return kept
}

// trimNode keeps of a node which one it is, which machine and boot, whether it is ready, and what
// its taints and finalizers say: all that pkg/fence looks at.
func trimNode(node *v1.Node) *v1.Node {
	kept := &v1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion, Finalizers: node.Finalizers,
		CreationTimestamp: node.CreationTimestamp,
	}}
	kept.Spec.Taints = node.Spec.Taints
	kept.Status.NodeInfo.BootID = node.Status.NodeInfo.BootID
	kept.Status.NodeInfo.KubeletVersion = node.Status.NodeInfo.KubeletVersion
	kept.Status.NodeInfo.SystemUUID = node.Status.NodeInfo.SystemUUID
	kept.Status.NodeInfo.MachineID = node.Status.NodeInfo.MachineID
	for _, c := range node.Status.Conditions {
		if c.Type == v1.NodeReady {
			kept.Status.Conditions = []v1.NodeCondition{{Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime}}
		}
	}
	return kept
}

package world

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
)

// Cadence of the node's status (docs/kubernetes-facts.md §2.4): looked at every
// nodeStatusInterval, written where something changed or after
// nodeStatusReportInterval.
const (
	nodeStatusInterval       = 10 * time.Second
	nodeStatusReportInterval = 5 * time.Minute
	nodeStatusTriesMax       = 5
)

// nodeStatus is what the status loop remembers.
type nodeStatus struct {
	reported time.Time
}

// syncNodeStatusUntil keeps the node's status true.
func (k *kubelet) syncNodeStatusUntil(ctx context.Context) {
	for wait := k.machine.offset; sleep(ctx, wait) == nil; wait = nodeStatusInterval {
		for try := range nodeStatusTriesMax {
			if k.syncNodeStatus(ctx, try > 0) == nil {
				break
			}
		}
	}
}

// watchNodeUntil keeps a copy of the Node, so that a look at it costs no request.
func (k *kubelet) watchNodeUntil(ctx context.Context) {
	k.reflectUntil(ctx, "nodes", &corev1.Node{}, fields.OneTermEqualSelector("metadata.name", k.machine.spec.Name), k.node)
}

// readNode returns the Node as it was last heard of, or as the API has it now.
func (k *kubelet) readNode(ctx context.Context, live bool) (*corev1.Node, error) {
	if live {
		return k.heartbeat.CoreV1().Nodes().Get(ctx, k.machine.spec.Name, metav1.GetOptions{})
	}
	node, known, err := k.node.GetByKey(k.machine.spec.Name)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, fmt.Errorf("node %s: nothing was heard of it yet", k.machine.spec.Name)
	}
	return node.(*corev1.Node), nil
}

// syncNodeStatus makes the Node's status true. A first attempt goes by what was heard of
// the Node, and live is for those that follow (docs/kubernetes-facts.md §2.4).
func (k *kubelet) syncNodeStatus(ctx context.Context, live bool) error {
	node, err := k.readNode(ctx, live)
	if err != nil {
		return err
	}
	next := node.Status.DeepCopy()
	k.setNodeStatus(next)
	if nodeStatusEqual(&node.Status, next) && time.Since(k.status.reported) < nodeStatusReportInterval {
		k.volumes.markReported(node.Status.VolumesInUse)
		return nil
	}
	patch, err := patchBetween(corev1.Node{Status: node.Status}, corev1.Node{Status: *next})
	if err != nil {
		return fmt.Errorf("status of node %s: %w", node.Name, err)
	}
	node, err = k.heartbeat.CoreV1().Nodes().
		Patch(ctx, node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return err
	}
	k.status.reported = time.Now()
	// Only what the API has persisted counts as reported (docs/kubernetes-facts.md §2.4).
	k.volumes.markReported(node.Status.VolumesInUse)
	return nil
}

// setNodeStatus sets the parts of a node's status that are the kubelet's.
func (k *kubelet) setNodeStatus(s *corev1.NodeStatus) {
	m := k.machine
	s.Capacity, s.Allocatable = m.spec.Capacity.DeepCopy(), m.spec.Capacity.DeepCopy()
	s.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: m.nodeIP()},
		{Type: corev1.NodeHostName, Address: m.spec.Name},
	}
	s.NodeInfo.BootID = k.bootID
	s.NodeInfo.MachineID, s.NodeInfo.SystemUUID = m.machineID(), m.machineID()
	s.NodeInfo.KubeletVersion = kubeletVersion
	s.NodeInfo.ContainerRuntimeVersion = "containerd://sim"
	s.NodeInfo.KernelVersion, s.NodeInfo.OSImage = "sim", "sim"
	s.NodeInfo.OperatingSystem, s.NodeInfo.Architecture = "linux", "amd64"
	if m.spec.Given != nil {
		k.setGivenStatus(s)
	}
	s.VolumesInUse = k.volumes.inUse(s.VolumesInUse)

	now := k.now()
	setNodeCondition(s, now, corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available")
	setNodeCondition(s, now, corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure")
	setNodeCondition(s, now, corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available")
	if err := k.runtimeErrors(); err != nil {
		setNodeCondition(s, now, corev1.NodeReady, corev1.ConditionFalse, "KubeletNotReady", err.Error())
	} else {
		setNodeCondition(s, now, corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status")
	}
}

func setNodeCondition(s *corev1.NodeStatus, now metav1.Time, of corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) {
	next := corev1.NodeCondition{Type: of, Status: status, Reason: reason, Message: message, LastHeartbeatTime: now, LastTransitionTime: now}
	for i, c := range s.Conditions {
		if c.Type == of {
			if c.Status == status {
				next.LastTransitionTime = c.LastTransitionTime
			}
			s.Conditions[i] = next
			return
		}
	}
	s.Conditions = append(s.Conditions, next)
}

// nodeStatusEqual compares all but the heartbeat times.
func nodeStatusEqual(a, b *corev1.NodeStatus) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	for _, s := range []*corev1.NodeStatus{a, b} {
		for i := range s.Conditions {
			s.Conditions[i].LastHeartbeatTime = metav1.Time{}
		}
	}
	return equality.Semantic.DeepEqual(a, b)
}

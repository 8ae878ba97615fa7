package status

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/explain"
	"github.com/holdfast-dev/holdfast/pkg/fence"
)

// Command is something that an operator can type, and what must be so before.
type Command struct {
	When, Line string
}

// Commands are those that would release a held ordinal, the one that proves most
// first. Each is somebody's word, and says what the word is.
func Commands(d *cluster.Detail, hold *explain.Hold, program string) []Command {
	if hold == nil {
		return nil
	}
	inc := incarnationOf(d)
	if inc == nil || inc.PodUID == "" {
		return []Command{{
			"The record contradicts itself, and no evidence can close it: set its status right.",
			fmt.Sprintf("kubectl edit tenancy %s -n %s --subresource=status", d.ID.Name(), d.ID.Namespace),
		}}
	}
	var commands []Command
	for _, n := range inc.Nodes {
		if sight := sightOf(d.Nodes, n.Name); sight != nil && sight.UID == n.UID {
			commands = append(commands, fenceCommands(sight)...)
		}
	}
	if pod := d.Pod; pod != nil && pod.UID == inc.PodUID && pod.DeletionTimestamp == nil {
		return append(commands, Command{
			"The pod is not being deleted, and as long as it is not, nobody's word counts.",
			fmt.Sprintf("kubectl delete pod %s -n %s", d.ID.Name(), d.ID.Namespace),
		})
	}
	return append(commands, Command{
		fmt.Sprintf("If you know that no container of this incarnation runs and none will: a false word makes two %s.", d.ID.Name()),
		fmt.Sprintf("%s release %s -n %s --pod-uid %s --reason \"how you know\"", program, d.ID.Name(), d.ID.Namespace, inc.PodUID),
	})
}

// fenceCommands are for the very node of the record. On a ready one a fence counts
// for nothing.
func fenceCommands(node *v1.Node) []Command {
	if IsReady(node) {
		return nil
	}
	var commands []Command
	for _, t := range node.Spec.Taints {
		if t.Key == v1.TaintNodeOutOfService {
			commands = append(commands, Command{
				fmt.Sprintf("The taint on node %s counts only if the guard saw it being set: take it off first.", node.Name),
				fmt.Sprintf("kubectl taint node %s %s-", node.Name, v1.TaintNodeOutOfService),
			})
		}
	}
	return append(commands, Command{
		fmt.Sprintf("If machine %s is off, and stays off while it has the taint: it speaks for all pods of the node.", fence.MachineOf(node)),
		fmt.Sprintf("kubectl taint node %s %s=nodeshutdown:NoExecute", node.Name, v1.TaintNodeOutOfService),
	})
}

// IsReady tells whether the node is Ready. It is evidence of nothing.
func IsReady(node *v1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == v1.NodeReady {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}

// sightOf is the node of the name as it was read; nil if there is none.
func sightOf(nodes fence.Nodes, name string) *v1.Node {
	for _, s := range nodes.Read {
		if s.Name == name {
			return s.Node
		}
	}
	return nil
}

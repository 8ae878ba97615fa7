package campaign

import (
	"fmt"

	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// Of what size clusters are.
const (
	nodesLeast = 3
	nodesMost  = 10
	zonesMost  = 3
)

// The storage classes, by what a claim of each can be used from.
const (
	classZonal   = "zonal"
	classNetwork = "network"
	classLocal   = "local"
)

// cloudOften is how often machines are rented from a cloud, and attachLimitOften how often a
// node takes only a few volumes.
const (
	cloudOften       = 0.25
	attachLimitOften = 0.2
)

// cluster is the machines of a run, and what its claims can be of.
type cluster struct {
	scenario.Cluster
	// limited: volumes may find no room, and then nobody can promise that all come back.
	limited bool
}

// drawCluster spreads the nodes over the zones, at least one in each. A group is a zone.
func drawCluster(d dice) *cluster {
	c := &cluster{Cluster: scenario.Cluster{Cloud: d.chance(cloudOften)}}
	zones := d.between(1, zonesMost)
	counts := make([]int, zones)
	for i := range d.between(nodesLeast, nodesMost) {
		if i < zones {
			counts[i]++
		} else {
			counts[d.IntN(zones)]++
		}
	}
	c.limited = d.chance(attachLimitOften)
	forgets := d.chance(0.2)
	for i, count := range counts {
		zone := string(rune('a' + i))
		g := scenario.NodeGroup{Name: zone, Zone: zone, Count: count, RuntimeForgets: forgets}
		if c.limited {
			g.AttachLimit = new(d.between(3, 6))
		}
		c.NodeGroups = append(c.NodeGroups, g)
	}
	zonal := scenario.StorageClass{Name: classZonal}
	if d.chance(0.5) {
		zonal.DetachFences = new(false)
	}
	if d.chance(0.3) {
		zonal.AttachSeconds, zonal.DetachSeconds = new(int32(d.between(2, 40))), new(int32(d.between(2, 40)))
	}
	c.StorageClasses = []scenario.StorageClass{
		zonal,
		{Name: classNetwork, Topology: scenario.TopologyAnywhere},
		{Name: classLocal, Topology: scenario.TopologyNode},
	}
	return c
}

// nodes are the names of all machines.
func (c *cluster) nodes() []string {
	var names []string
	for _, g := range c.NodeGroups {
		for i := range g.Count {
			names = append(names, fmt.Sprintf("%s-%d", g.Name, i))
		}
	}
	return names
}

// spare are machines that the cluster can lose for good: none is the last of its zone,
// where volumes are that can be reached from nowhere else.
func (c *cluster) spare() []string {
	var names []string
	for _, g := range c.NodeGroups {
		if g.Count > 1 {
			names = append(names, fmt.Sprintf("%s-%d", g.Name, g.Count-1))
		}
	}
	return names
}

package reach

import (
	"math"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
)

// Room is what a node has to do with attaching the volumes of a pod.
type Room struct {
	// Volumes is how many of the pod's volumes are attached to nodes, Attached how many of
	// them to this one.
	Volumes, Attached int
	// FailedAt is when attaching anything to the node failed last, as far as an attachment
	// that is still there says; zero if none does.
	FailedAt time.Time
	// SlotsLeft is how many more volumes can be attached to the node, of SlotsMax: of the
	// driver with the smallest share left among those of the pod's volumes. A SlotsMax of 0
	// is no limit. What a driver's limit means for a pod is for the plugin of attach limits
	// to say; this counts the attachments that are there, on their way in or out.
	SlotsLeft, SlotsMax int
}

// Rooms tells of nodes in turn, for the volumes of one pod.
type Rooms struct {
	index *Index
	uses  []attachable
	// volumes is how many of them are attached to nodes.
	volumes int
	// used is room to count in, by driver.
	used map[string]int
}

// attachable is what is the same on all nodes for one volume.
type attachable struct {
	driver string
	// there are its attachments.
	there sets.Set[*attachment]
}

// Rooms is for nodes at which the pod with these volumes could be. It is as good as the
// index is, until that changes.
func (x *Index) Rooms(uses []Use) Rooms {
	r := Rooms{index: x, used: map[string]int{}}
	for _, use := range uses {
		a := attachable{driver: x.driverOf(use), there: x.attached[use.Volume]}
		if len(a.there) > 0 {
			r.volumes++
		}
		if a.driver != "" || len(a.there) > 0 {
			r.uses = append(r.uses, a)
		}
	}
	return r
}

// On tells of the node. It costs a look at each attachment of the node.
func (r *Rooms) On(node string) Room {
	room := Room{Volumes: r.volumes}
	clear(r.used)
	for a := range r.index.attachedAt[node] {
		r.used[a.driver]++
		if a.failedAt.After(room.FailedAt) {
			room.FailedAt = a.failedAt
		}
	}
	slots := r.index.slots[node]
	share := math.Inf(1)
	for _, use := range r.uses {
		for a := range use.there {
			if a.node == node {
				room.Attached++
				break
			}
		}
		most := slots[use.driver]
		if use.driver == "" || most <= 0 {
			continue
		}
		if left := most - r.used[use.driver]; float64(left)/float64(most) < share {
			share, room.SlotsLeft, room.SlotsMax = float64(left)/float64(most), left, most
		}
	}
	return room
}

// driverOf is empty for a volume of no driver, or of none that reach knows.
func (x *Index) driverOf(use Use) string {
	if v := x.volumes[use.Volume]; v != nil && v.place != nil {
		return v.place.driver
	}
	return ""
}

package scenario

// Everything that a file can have many of has a limit: beyond it the file is
// refused, never cut short.
const (
	// FileBytesMax is the size of a scenario file, and of a file of manifests.
	FileBytesMax = 4 << 20
	// ValuesMax is how many YAML values a document may stand for.
	ValuesMax = 100_000
	// GroupNodesMax is the machines of one group.
	GroupNodesMax = 1000
	// NodesMax is the machines of a cluster.
	NodesMax = 5000
	// AttachLimitMax is the volumes that can be attached to a node, if that is limited.
	AttachLimitMax = 1000
	// StorageClassesMax is the storage classes of a cluster.
	StorageClassesMax = 100
	// ObjectsMax is the Kubernetes objects of a scenario, those in files among them.
	ObjectsMax = 10_000
	// StepsMax is the steps of a timeline.
	StepsMax = 1000
	// ReplicasMax is how many replicas a step may ask of a set.
	ReplicasMax = 10_000
	// BreaksMax is the breaks of a scenario.
	BreaksMax = 20
	// ExpectationsMax is the entries of each list of an expectation.
	ExpectationsMax = 1000
)

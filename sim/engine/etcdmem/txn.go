package etcdmem

import (
	"bytes"
	"cmp"
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
)

// Txn implements pb.KVClient. It goes the way of an etcd: the form of both branches
// is checked, one is chosen, it is checked against the store, and only then run,
// so that it happens as a whole or not at all.
func (c kvClient) Txn(ctx context.Context, r *pb.TxnRequest, _ ...grpc.CallOption) (*pb.TxnResponse, error) {
	s := c.store
	if err := s.checkTxnForm(r); err != nil {
		return nil, err
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()

	resp := &pb.TxnResponse{Succeeded: s.holds(r.Compare)}
	ops := r.Failure
	if resp.Succeeded {
		ops = r.Success
	}
	if err := s.checkOps(ops); err != nil {
		return nil, err
	}
	for _, op := range ops {
		resp.Responses = append(resp.Responses, s.run(op))
	}
	s.commit()
	resp.Header = s.header()
	return resp, nil
}

// checkTxnForm says what is wrong with a transaction whatever the store holds.
func (s *Store) checkTxnForm(r *pb.TxnRequest) error {
	if max(len(r.Compare), len(r.Success), len(r.Failure)) > s.limits.txnOps {
		return rpctypes.ErrGRPCTooManyOps
	}
	for _, c := range r.Compare {
		if err := checkCompareForm(c); err != nil {
			return err
		}
	}
	size := int64(0)
	for _, ops := range [][]*pb.RequestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if err := checkOpForm(op); err != nil {
				return err
			}
			// The encoding adds a few bytes for each field; they are left out here.
			size += putBytes(op)
		}
		if err := checkOneWritePerKey(ops); err != nil {
			return err
		}
	}
	if size > s.limits.requestBytes {
		return rpctypes.ErrGRPCRequestTooLarge
	}
	return nil
}

func putBytes(op *pb.RequestOp) int64 {
	put := op.GetRequestPut()
	return int64(len(put.GetKey()) + len(put.GetValue()))
}

func checkCompareForm(c *pb.Compare) error {
	if len(c.Key) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	if _, known := pb.Compare_CompareTarget_name[int32(c.Target)]; !known {
		return unimplemented("comparison of " + c.Target.String())
	}
	if _, known := pb.Compare_CompareResult_name[int32(c.Result)]; !known {
		return unimplemented("comparison for " + c.Result.String())
	}
	return nil
}

func checkOpForm(op *pb.RequestOp) error {
	switch o := op.GetRequest().(type) {
	case *pb.RequestOp_RequestRange:
		return checkRangeForm(o.RequestRange)
	case *pb.RequestOp_RequestPut:
		if len(o.RequestPut.Key) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
		if o.RequestPut.IgnoreValue || o.RequestPut.IgnoreLease {
			return unimplemented("a put that keeps the value or the lease")
		}
	case *pb.RequestOp_RequestDeleteRange:
		if len(o.RequestDeleteRange.Key) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
	case *pb.RequestOp_RequestTxn:
		return unimplemented("a transaction inside a transaction")
	default:
		return rpctypes.ErrGRPCKeyNotFound // An etcd's answer to an empty operation.
	}
	return nil
}

// checkOneWritePerKey refuses a branch that would write a key twice: a key has one
// version per revision.
func checkOneWritePerKey(ops []*pb.RequestOp) error {
	for i, op := range ops {
		put := op.GetRequestPut()
		if put == nil {
			continue
		}
		key := string(put.Key)
		for j, other := range ops {
			if o := other.GetRequestPut(); o != nil && j < i && string(o.Key) == key {
				return rpctypes.ErrGRPCDuplicateKey
			}
			if o := other.GetRequestDeleteRange(); o != nil && rangeOf(string(o.Key), string(o.RangeEnd)).contains(key) {
				return rpctypes.ErrGRPCDuplicateKey
			}
		}
	}
	return nil
}

// checkOps says whether the operations can all be run on the store as it is.
func (s *Store) checkOps(ops []*pb.RequestOp) error {
	grow, puts := int64(0), 0
	for _, op := range ops {
		if r := op.GetRequestRange(); r != nil {
			if err := s.checkRange(r); err != nil {
				return err
			}
		}
		if put := op.GetRequestPut(); put != nil {
			if put.Lease != 0 && !s.leases.alive(put.Lease) {
				return rpctypes.ErrGRPCLeaseNotFound
			}
			puts++
			grow += putBytes(op) + recordBytes
		}
	}
	if puts > 0 && s.history.bytes+grow > s.limits.spaceBytes {
		return rpctypes.ErrGRPCNoSpace
	}
	return nil
}

// run does one operation that was checked.
func (s *Store) run(op *pb.RequestOp) *pb.ResponseOp {
	switch o := op.GetRequest().(type) {
	case *pb.RequestOp_RequestRange:
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: s.doRange(o.RequestRange)}}
	case *pb.RequestOp_RequestPut:
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: s.doPut(o.RequestPut)}}
	case *pb.RequestOp_RequestDeleteRange:
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: s.doDelete(o.RequestDeleteRange)}}
	default:
		panic("etcdmem: an operation that was checked is of an unknown kind")
	}
}

func (s *Store) doPut(r *pb.PutRequest) *pb.PutResponse {
	before := s.put(string(r.Key), r.Value, r.Lease)
	resp := &pb.PutResponse{Header: s.header()}
	if r.PrevKv {
		resp.PrevKv = before.keyValue()
	}
	return resp
}

func (s *Store) doDelete(r *pb.DeleteRangeRequest) *pb.DeleteRangeResponse {
	before := s.remove(rangeOf(string(r.Key), string(r.RangeEnd)))
	resp := &pb.DeleteRangeResponse{Header: s.header(), Deleted: int64(len(before))}
	if r.PrevKv {
		for _, rec := range before {
			resp.PrevKvs = append(resp.PrevKvs, rec.keyValue())
		}
	}
	return resp
}

// holds says whether all comparisons are true.
func (s *Store) holds(compares []*pb.Compare) bool {
	for _, c := range compares {
		if !s.compareHolds(c) {
			return false
		}
	}
	return true
}

// compareHolds says whether a comparison is true of every key in its range. If
// there is none it is made with a key of zeros, except that a value which is not
// there is equal to no value.
func (s *Store) compareHolds(c *pb.Compare) bool {
	found, holds := false, true
	s.history.scan(rangeOf(string(c.Key), string(c.RangeEnd)), s.history.revision, func(rec *record) {
		found = true
		holds = holds && resultHolds(c.Result, compareTo(c, rec))
	})
	if !found {
		return c.Target != pb.Compare_VALUE && resultHolds(c.Result, compareTo(c, &record{}))
	}
	return holds
}

// compareTo orders the record against what the comparison names: -1, 0 or 1.
func compareTo(c *pb.Compare, rec *record) int {
	switch c.Target {
	case pb.Compare_VALUE:
		return bytes.Compare(rec.value, c.GetValue())
	case pb.Compare_CREATE:
		return cmp.Compare(rec.create, c.GetCreateRevision())
	case pb.Compare_MOD:
		return cmp.Compare(rec.mod, c.GetModRevision())
	case pb.Compare_LEASE:
		return cmp.Compare(rec.lease, c.GetLease())
	case pb.Compare_VERSION:
		return cmp.Compare(rec.version, c.GetVersion())
	default:
		panic("etcdmem: a comparison that was checked has an unknown target")
	}
}

func resultHolds(want pb.Compare_CompareResult, order int) bool {
	switch want {
	case pb.Compare_EQUAL:
		return order == 0
	case pb.Compare_NOT_EQUAL:
		return order != 0
	case pb.Compare_GREATER:
		return order > 0
	case pb.Compare_LESS:
		return order < 0
	default:
		panic("etcdmem: a comparison that was checked has an unknown result")
	}
}

//@if group_shares > 1
/* The number of a KV head, of that in the plan, which has one for every tile with a share of its query heads. */
struct KvHead {
  int number;

  KvHead(int planned) : number(planned / kGroupShares) {}

  operator int() const {
    return number;
  }
};
//@else
/* The number of a KV head. */
typedef int KvHead;
//@end

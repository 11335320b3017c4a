/**
 * A set that mostly has no member or one, and then takes no memory of its own. The functions return the set to keep.
 *
 * A member must not be a `Set` itself.
 */
export type SmallSet<Member> = undefined | Member | Set<Member>;

/** Returns the set with a member. */
export function added<Member>(set: SmallSet<Member>, member: Member): SmallSet<Member> {
  if (set === undefined || set === member) return member;
  if (set instanceof Set) return set.add(member);
  return new Set([set, member]);
}

/** Returns the set without a member. */
export function removed<Member>(set: SmallSet<Member>, member: Member): SmallSet<Member> {
  if (set === member) return undefined;
  if (set instanceof Set && set.delete(member) && set.size === 0) return undefined;
  return set;
}

/** Returns the members, also while they change. */
export function membersOf<Member>(set: SmallSet<Member>): Iterable<Member> {
  if (set === undefined) return [];
  return set instanceof Set ? set : [set];
}

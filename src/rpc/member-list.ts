/**
 * The members of an object as an error message lists them.
 */

/** A page of names helps nobody. */
const maxListedMembers = 20;

/** Says what members there are, the first twenty of them. */
export function listMembers(members: Iterable<string>): string {
  const names = [...members];
  if (names.length === 0) return 'it has none';
  const listed = names.slice(0, maxListedMembers).join(', ');
  return names.length > maxListedMembers
    ? `it has ${listed} and ${names.length - maxListedMembers} more`
    : `it has ${listed}`;
}

/** Why users give up. */
export const abandonment = new Error('the user gave up');

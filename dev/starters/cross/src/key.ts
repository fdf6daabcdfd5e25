/** What page and agents of this app share: no secret, but older pages have another one. */
export const KEY = 'second-edition';

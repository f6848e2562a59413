/** Colors of the page, by which a chart follows its light and dark; the values stand for files without the page's style. */
export const text = 'var(--text, #1b1b1b)';
export const soft = 'var(--soft, #5c5c5c)';

/** Thrown for a template that cannot be made safe. Its message completes "a value, or its end, is ...". */
export class HtmlRefusal extends Error {}

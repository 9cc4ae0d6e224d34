// The little that the page needs beside the DOM itself.

export const byId = (id) => document.getElementById(id);

/** A time of day, as its reader writes it. */
export const clock = (time) => new Date(time).toLocaleTimeString([], { hour12: false });

/** An element with properties and children; text is never markup. */
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

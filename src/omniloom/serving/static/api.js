// What the page asks the server for over HTTP, with the key where there is one.

const KEY = "omniloom.key"; // in this tab alone, and gone when it is closed

export const apiKey = {
  get value() {
    return sessionStorage.getItem(KEY);
  },
  set value(key) {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  },
};

/** The response, or null where there is none or it tells an error. */
export async function load(address) {
  const headers = apiKey.value ? { Authorization: `Bearer ${apiKey.value}` } : {};
  const response = await fetch(address, { headers }).catch(() => null);
  return response?.ok ? response : null;
}

/** Show the picture at an address of this server; an <img> by itself sends no key. */
export async function showImage(image, address) {
  if (!apiKey.value) {
    image.src = address;
    return;
  }
  image.dataset.address = address;
  const response = await load(address);
  const blob = await response?.blob();
  // Another picture may have been asked for meanwhile.
  if (!blob || image.dataset.address !== address) return;
  image.src = URL.createObjectURL(blob);
  image.onload = () => URL.revokeObjectURL(image.src);
}

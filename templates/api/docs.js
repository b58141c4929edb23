"use strict";
// Dark where the reader's system is: Swagger's stylesheet goes by this class.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// A place may be read under another name than the one that clients use: what is tried goes to where the page came from.
const here = (request) => {
  const { pathname, search } = new URL(request.url, window.location.href);
  request.url = window.location.origin + pathname + search;
  return request;
};
SwaggerUIBundle({ url: "{{ schema_url|escapejs }}", dom_id: "#swagger-ui", requestInterceptor: here, ...{{ settings|safe }} });

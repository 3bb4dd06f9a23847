# Tessera on Debian 12. `docker build -t tessera . && docker run --rm -it tessera` does the main job on a real text
# (scripts/demo.sh); `docker run --rm tessera tessera help` is the program alone.
FROM debian:12 AS build
COPY . /src
WORKDIR /src
RUN scripts/install.sh && rm -rf build && \
    cmake -G Ninja -S . -B build -DCMAKE_BUILD_TYPE=Release -DTESSERA_TESTS=OFF && cmake --build build && \
    cd build && cpack

FROM debian:12
COPY --from=build /src/build/*.deb /tmp/
COPY scripts/demo.sh /usr/share/tessera/scripts/
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends /tmp/*.deb openmpi-bin ffmpeg jargon-text && \
    rm -rf /tmp/*.deb /var/lib/apt/lists/* && useradd --create-home tessera
USER tessera
WORKDIR /home/tessera
ENV TESSERA=/usr/bin/tessera
CMD ["/usr/share/tessera/scripts/demo.sh", "demo"]

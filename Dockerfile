# docker build -t attentionlab .
# docker run --rm -p 127.0.0.1:8501:8501 attentionlab        the app at http://127.0.0.1:8501
# docker run --rm attentionlab run --model sst2 --text "There is nothing to dislike here."
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/lab
ENV PATH=/opt/lab/bin:$PATH
# The build without CUDA; what follows finds torch in place.
RUN pip install --index-url https://download.pytorch.org/whl/cpu torch==2.13.0
COPY requirements.txt /src/
RUN pip install -r /src/requirements.txt
COPY . /src
RUN pip install --no-deps /src

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 lab
COPY --from=build /opt/lab /opt/lab
ENV PATH=/opt/lab/bin:$PATH PYTHONUNBUFFERED=1
USER lab
WORKDIR /home/lab
EXPOSE 8501
HEALTHCHECK --start-period=60s --interval=30s --timeout=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5)"]
# Every address of the container; who reaches it is for `docker run -p` to say.
ENTRYPOINT ["attnlab"]
CMD ["app", "--address", "0.0.0.0"]
